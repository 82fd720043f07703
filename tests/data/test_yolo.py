from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_tbkd.data import DatalistError, load_datalist, load_yolo

Tree = Callable[..., Path]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def films(tree: Tree) -> Path:
    root = tree("images/train/a.png", "images/train/b.png", "images/val/c.png")
    write(root / "labels/train/a.txt", "0 0.5 0.25 0.5 0.25\n1 0.125 0.5 0.25 1\n")
    write(root / "labels/val/c.txt", "\n")
    write(root / "data.yaml", "path: /elsewhere\ntrain: images/train\nnc: 2\nnames: [ActiveTuberculosis, latent_tb]\n")
    return root


def test_boxes_in_pixels_and_health_without_a_label(films: Path) -> None:
    a, b, c = load_yolo(films, num_classes=3)
    assert (a["name"], a["label"], a["split"]) == ("images/train/a.png", 2, "train")
    # 32 x 32 pixels: center (16, 8), 16 wide, 8 high; and the left quarter of the film.
    assert a["boxes"] == [[8, 4, 24, 12], [0, 0, 8, 32]]
    assert a["box_types"] == ["active", "latent"]
    assert [(item["label"], item["boxes"]) for item in (b, c)] == [(0, []), (0, [])]
    assert c["split"] == "val"


def test_names_as_a_mapping_and_as_lines(films: Path) -> None:
    expected = load_yolo(films)
    write(films / "data.yaml", "names:\n  0: active_tb\n  1: Latent-TB\n")
    assert load_yolo(films) == expected
    (films / "data.yaml").unlink()
    write(films / "labels/classes.txt", "active\nlatent\n")
    assert load_yolo(films) == expected


def test_folders_of_classes_win_over_missing_labels(tree: Tree) -> None:
    root = tree("images/train/tb/a.png", "images/train/sick/b.png", "images/train/tb/c.png")
    write(root / "labels/train/tb/a.txt", "0 0.5 0.5 0.5 0.5")
    write(root / "classes.txt", "tb\n")
    b, a, c = load_yolo(root, num_classes=3)
    assert [(item["label"], item["boxes"]) for item in (a, b, c)] == [(2, [[8, 8, 24, 24]]), (1, []), (2, None)]
    assert a["box_types"] == ["unspecified"]
    write(root / "labels/train/sick/b.txt", "0 0.5 0.5 0.5 0.5")
    with pytest.raises(DatalistError, match=r"sick/b\.txt says tb and the film is in a folder of sick films"):
        load_yolo(root)


def test_boxes_of_other_classes_say_what_the_film_is(films: Path) -> None:
    write(films / "data.yaml", "names: [active_tb, healthy, sick_but_no_tb]")
    write(films / "labels/train/a.txt", "1 0.5 0.5 1 1\n0 0.5 0.5 0.5 0.5")
    write(films / "labels/train/b.txt", "2 0.5 0.5 1 1")
    a, b, _ = load_yolo(films, num_classes=3)
    assert (a["class_name"], a["boxes"]) == ("tb", [[8, 8, 24, 24]])
    assert (b["class_name"], b["boxes"]) == ("sick", [])


def test_a_polygon_becomes_its_box_and_rounding_is_clipped(films: Path) -> None:
    write(films / "labels/train/a.txt", "0 0.25 0.5 0.5 0.75 0.75 0.5\n0 0.5 0.5 1.0001 1")
    assert load_yolo(films)[0]["boxes"] == [[8, 16, 24, 24], [0, 0, 32, 32]]


def test_splits_above_the_images(tree: Tree) -> None:
    root = tree("train/images/a.png", "valid/images/b.png")
    write(root / "train/labels/a.txt", "0 0.5 0.5 0.5 0.5")
    (root / "valid/labels").mkdir()
    write(root / "data.yaml", "names: [tb]")
    assert [(item["class_name"], item["split"]) for item in load_yolo(root)] == [("tb", "train"), ("health", "val")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.5 0.5", r"class 2 \(expected 0 to 1\)"),
        ("-1 0.5 0.5 0.5 0.5", "class -1"),
        ("0.5 0.5 0.5 0.5 0.5", "class 0.5"),
        ("0 16 8 16 8", "fractions of the film"),
        ("0 nan 0.5 0.5 0.5", "fractions of the film"),
        ("0 0.9 0.5 0.5 0.5", "outside the film"),
        ("0 0.5 0.5 0 0.5", "without area"),
        ("0 0.5 0.5 0.5", "has 4 numbers"),
        ("0 0.5 0.5 0.5 0.5 0.9", "has 6 numbers"),
        ("tb 0.5 0.5 0.5 0.5", "expected numbers"),
    ],
)
def test_a_line_that_cannot_be_understood_is_named(films: Path, line: str, message: str) -> None:
    write(films / "labels/train/b.txt", f"\n{line}\n")
    with pytest.raises(DatalistError, match=rf"1: labels/train/b\.txt line 2 .*{message}"):
        load_yolo(films)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [tb, cat]", r"unknown names of classes \(1: cat\)"),
        ("names: {0: tb, 2: sick}", "mapping of 0, 1, 2"),
        ("nc: 2", "no names"),
        ("names: []", "no names"),
        ("names: !!python/object/apply:os.getcwd []", "cannot be read"),
    ],
)
def test_names_that_say_nothing_are_refused(films: Path, text: str, message: str) -> None:
    write(films / "data.yaml", text)
    with pytest.raises(DatalistError, match=message):
        load_yolo(films)


def test_no_names_no_folder_and_labels_without_a_film(films: Path) -> None:
    write(films / "labels/val/z.txt", "0 0.5 0.5 0.5 0.5")
    with pytest.raises(DatalistError, match=r"without a film \(1: labels/val/z\.txt\)"):
        load_yolo(films)
    (films / "data.yaml").unlink()
    with pytest.raises(DatalistError, match=r"no data\.yaml"):
        load_yolo(films)
    with pytest.raises(DatalistError, match="no folder images"):
        load_yolo(films / "images")


def test_the_layout_is_found(films: Path) -> None:
    splits = load_datalist(films, select=0)
    assert {name: len(part) for name, part in splits.items()} == {"train": 2, "select": 0, "test": 1}


def test_boxes_of_a_film_that_is_not_square(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 100), dtype=np.uint8)).save(
        tmp_path / "images/a.png"
    )
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    (tmp_path / "data.yaml").write_text("names: [tb]\n")
    (item,) = load_yolo(tmp_path)
    assert item["boxes"][0] == pytest.approx([40, 15, 60, 35])
