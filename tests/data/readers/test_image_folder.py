from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_tbkd.data import list_images
from tests.data.images_by_hand import noise_png

Tree = Callable[..., Path]


def names(root: Path, recursive: bool = True) -> list[str]:
    return [image["name"] for image in list_images(root, recursive)]


def test_natural_order_and_what_is_left_out(tree: Tree) -> None:
    root = tree("f10.png", "f2.png", "IM000001", "sub/a.dcm", ".cache/x.png")
    for name in ("a.csv", "b.JSON", "README", "LICENSE.md", "w.pt", "DICOMDIR", "run.log", ".hidden.png"):
        (root / name).touch()
    os.mkfifo(root / "pipe")
    (root / "broken").symlink_to(root / "nowhere")
    assert names(root) == ["broken", "f2.png", "f10.png", "IM000001", "sub/a.dcm"]
    assert names(root, recursive=False) == ["broken", "f2.png", "f10.png", "IM000001"]
    image = list_images(root)[1]
    assert image == {"image": str(root / "f2.png"), "name": "f2.png"}


def test_link_loops_end(tree: Tree) -> None:
    root = tree("a/x.png", "b/y.png")
    (root / "a" / "up").symlink_to(root, target_is_directory=True)
    (root / "b" / "over").symlink_to(root / "a", target_is_directory=True)
    found = names(root)
    assert found == ["a/x.png", "b/y.png"]


def test_one_file_is_an_image_whatever_its_name(tree: Tree) -> None:
    path = tree("a.txt") / "a.txt"
    assert list_images(path) == [{"image": str(path), "name": "a.txt"}]


def test_missing_and_empty_folders_are_named(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such folder"):
        list_images(tmp_path / "nowhere")
    root = tree("sub/a.png")
    with pytest.raises(ValueError, match=r"no image in this folder.*sub-folders were not looked into"):
        list_images(root, recursive=False)


def test_digits_and_letters_do_not_collide(tree: Tree) -> None:
    assert names(tree("1.png", "a.png", "01.png", "A.png")) == ["01.png", "1.png", "A.png", "a.png"]


@pytest.mark.parametrize("root_is_closed", [False, True])
def test_a_folder_that_may_not_be_opened_is_not_passed_over(
    tree: Tree, root_is_closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree("a.png", "sub/b.png")
    closed = root if root_is_closed else root / "sub"
    scandir = os.scandir

    def refuse(path: str | os.PathLike[str]) -> object:  # the rights of the user who runs the tests do not matter so
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    if root_is_closed:
        with pytest.raises(ValueError, match="cannot be opened"):
            names(root)
    else:
        assert names(root) == ["a.png", "sub"]


def test_a_file_of_a_folder_that_may_be_listed_but_not_entered_is_listed(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree("a.png", "sub/b.png")
    stat = Path.stat

    def refuse(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.parent == root / "sub":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", refuse)
    assert names(root) == ["a.png", "sub/b.png"]


def test_an_image_under_a_name_that_says_otherwise_is_found_by_its_content(tmp_path: Path) -> None:
    for name in ("dicom.txt", "notice.png", ".hidden.png", "scan.tmp"):
        noise_png(tmp_path / name)
    (tmp_path / "table.csv").write_text("image,label\n")
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert {image["name"] for image in list_images(tmp_path)} == {"dicom.txt", "notice.png", ".hidden.png", "scan.tmp"}


def test_results_of_earlier_runs_are_no_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = (
        "overlays/a.png", "image_reports/thumbnails/a.png.jpg", "comparison/a.png", "dicom/1.2.3/sc.dcm",
        "dicom/1.2.3/sr.dcm", "tensorboard/student/events.out.tfevents.1.host.2.0", "model.bin",
    )  # fmt: skip
    kept = ("a.png", "results/tonight.png", "results/dicom/1.2.4/image.dcm", "dicom/1.2.5/sc.dcm")
    for name in (*(f"results/{each}" for each in made[:-1]), *kept):
        noise_png(tmp_path / name)
    for name in ("tensorboard/student/events.out.tfevents.1.host.2.0", "model.bin"):
        (tmp_path / "results" / name).write_bytes(b"no picture")
    for name in ("predictions.csv", "metrics.json"):
        (tmp_path / "results" / name).touch()
    with caplog.at_level("INFO"):
        assert set(names(tmp_path)) == set(kept)
    assert "5 files that this program made are left out" in caplog.text
    (tmp_path / "results").rename(tmp_path / "last week")
    assert len(names(tmp_path)) == len(kept)
    pages = (tmp_path / "last week" / "image_reports").rename(tmp_path / "pages")
    (pages / "a.png.html").touch()
    assert len(names(tmp_path)) == len(kept)


def test_labels_of_the_server_and_masks_of_the_phantoms_are_no_images(tree: Tree) -> None:
    root = tree("imgs/a.png", "labels/final/a.png", "lung_fields/a.png")
    assert names(root) == ["imgs/a.png", "labels/final/a.png", "lung_fields/a.png"]
    (root / "label_info").mkdir()
    (root / "phantom.json").touch()
    assert names(root) == ["imgs/a.png"]
