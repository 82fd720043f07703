"""The data set on disk: layout, determinism, and what an interrupted run leaves."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from monai_tbkd.data.phantom import dataset, make_image, write_phantom_dataset
from monai_tbkd.data.phantom.cues import ShortcutSpec

SIZE = 96
ARGUMENTS: dict[str, Any] = {
    "n_train": {"health": 2, "sick": 2, "tb": 4},
    "n_val": {"health": 1, "sick": 1, "tb": 3},
    "size": SIZE,
    "seed": 3,
    "write_lung_fields": True,
}


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom_dataset(tmp_path_factory.mktemp("phantom") / "images", **ARGUMENTS)


@pytest.mark.system
def test_two_workers_write_the_same_bytes(root: Path, tmp_path: Path) -> None:
    other = write_phantom_dataset(tmp_path / "images", **ARGUMENTS, num_workers=2)
    assert contents(other) == contents(root)


def test_lists_and_images_agree(root: Path) -> None:
    lists = {s: (root / "lists" / f"TBX11K_{s}.txt").read_text().split() for s in ("train", "val", "trainval")}
    assert lists["train"][0] == "health/h0001.png" and lists["train"][-1] == "tb/tb0004.png"
    assert lists["val"] == ["health/h0003.png", "sick/s0003.png", "tb/tb0005.png", "tb/tb0006.png", "tb/tb0007.png"]
    assert lists["trainval"] == lists["train"] + lists["val"]
    on_disk = {str(p.relative_to(root / "imgs")) for p in (root / "imgs").rglob("*.png")}
    assert on_disk == set(lists["trainval"])
    for name in on_disk:
        image, mask = Image.open(root / "imgs" / name), Image.open(root / "lung_fields" / name)
        assert image.mode == mask.mode == "L" and image.size == mask.size == (SIZE, SIZE)
        assert set(np.unique(np.asarray(mask))) == {0, 255}


def test_xml_scaled_back_agrees_with_coco(root: Path) -> None:
    checked = 0
    for split in ("train", "val"):
        coco = json.loads((root / "annotations" / "json" / f"TBX11K_{split}.json").read_text())
        names = {c["id"]: c["name"] for c in coco["categories"]}
        assert names == {1: "ActiveTuberculosis", 2: "ObsoletePulmonaryTuberculosis", 3: "PulmonaryTuberculosis"}
        listed = (root / "lists" / f"TBX11K_{split}.txt").read_text().split()
        assert [image["file_name"] for image in coco["images"]] == listed
        for image in coco["images"]:
            boxes = [a for a in coco["annotations"] if a["image_id"] == image["id"]]
            xml = root / "annotations" / "xml" / f"{Path(image['file_name']).stem}.xml"
            assert xml.exists() == bool(boxes) == image["file_name"].startswith("tb/")
            if not boxes:
                continue
            tree = ElementTree.parse(xml).getroot()
            width, height = (int(tree.findtext(f"size/{k}", "0")) for k in ("width", "height"))
            assert min(width, height) >= 1500 and max(width, height) <= 3000
            for found, box in zip(tree.findall("object"), boxes, strict=True):
                assert found.findtext("name") == names[box["category_id"]]
                corners = [int(found.findtext(f"bndbox/{k}", "")) for k in ("xmin", "ymin", "xmax", "ymax")]
                back = np.array(corners) * SIZE / np.array([width, height, width, height])
                x, y, w, h = box["bbox"]
                np.testing.assert_allclose(back, [x, y, x + w, y + h], atol=1)
                checked += 1
    assert checked >= 7


def test_the_recipe_names_each_image_and_its_cues(root: Path) -> None:
    whole = json.loads((root / "phantom.json").read_text())
    assert whole["synthetic"] is True and whole["recipe"]["seed"] == 3
    assert [image["file_name"] for image in whole["images"]] == (root / "lists/TBX11K_trainval.txt").read_text().split()
    assert "no patient" in (root / "README.txt").read_text().lower()
    # The last validation image, made again by hand: seed, split 1, the fifth image of its split.
    image = make_image("tb", (3, 1, 4), SIZE, ShortcutSpec(agreement=0.1))
    np.testing.assert_array_equal(np.asarray(Image.open(root / "imgs/tb/tb0007.png")), image.image)
    assert whole["images"][-1]["cues"] == json.loads(json.dumps(image.to_record()["cues"]))


def test_the_same_recipe_is_reused(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = (root / "phantom.json").stat().st_mtime_ns
    with caplog.at_level(logging.INFO):
        assert write_phantom_dataset(root, **ARGUMENTS) == root
    assert "reused" in caplog.text and (root / "phantom.json").stat().st_mtime_ns == before


def test_another_recipe_is_refused(root: Path) -> None:
    with pytest.raises(FileExistsError, match=r"seed is 3 and 4 was asked for.*choose another output folder"):
        write_phantom_dataset(root, **{**ARGUMENTS, "seed": 4})


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match=r"no readable phantom\.json"):
        write_phantom_dataset(tmp_path, **ARGUMENTS)
    assert contents(tmp_path) == {"thesis.txt": b"precious"}


def test_an_interrupted_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def stop_at_the_third(*args: Any) -> Any:
        made.append(args)
        if len(made) == 3:
            raise KeyboardInterrupt
        return make_image(*args)

    monkeypatch.setattr(dataset, "make_image", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        write_phantom_dataset(tmp_path / "images", **ARGUMENTS)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_is_not_taken_for_a_finished_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill leaves no time to clean up: the folder under way stays, under a name that nobody asks for."""

    def stop(*args: Any) -> Any:
        raise KeyboardInterrupt

    small = {**ARGUMENTS, "n_train": {"tb": 1}, "n_val": {}}
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "make_image", stop)
        patch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)
        with pytest.raises(KeyboardInterrupt):
            write_phantom_dataset(tmp_path / "images", **small)
    assert not (tmp_path / "images").exists()
    assert len(list(tmp_path.iterdir())) == 1
    assert (write_phantom_dataset(tmp_path / "images", **small) / "imgs/tb/tb0001.png").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_train": {"pneumonia": 1}}, "n_train"),
        ({"n_val": {"tb": -1}}, "n_val"),
        ({"n_train": {}, "n_val": {}}, "no image to make"),
        ({"size": 16}, "at least 96"),
        ({"seed": -1}, "seed"),
        ({"val_agreement": 2.0}, "agreement"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_phantom_dataset(tmp_path / "images", **{**ARGUMENTS, **change})
    assert list(tmp_path.iterdir()) == []
