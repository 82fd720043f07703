from __future__ import annotations

import json
from pathlib import Path

from monai_tbkd.data import datalist_item, image_labels
from tests.data.images_by_hand import noise_png


def test_an_item_is_json_with_the_size_of_the_file(tmp_path: Path) -> None:
    path = noise_png(tmp_path / "a.png")
    item = datalist_item(path, "tb/a.png", "tb", "train", boxes=[[1, 2, 3, 4]], box_types=["active"])
    assert json.loads(json.dumps(item)) == {
        "image": str(path), "name": "tb/a.png", "class_name": "tb", "label": 1, "boxes": [[1, 2, 3, 4]],
        "box_types": ["active"], "size": [32, 32], "split": "train",
    }  # fmt: skip


def test_none_is_unknown_and_empty_is_no_tb(tmp_path: Path) -> None:
    path = noise_png(tmp_path / "a.png")
    assert datalist_item(path, "a", "tb", "train", boxes=[])["boxes"] is None
    assert datalist_item(path, "a", "tb", "train", boxes=None)["boxes"] is None
    assert datalist_item(path, "a", "sick", "train", boxes=[[1, 2, 3, 4]])["boxes"] == []


def test_training_sees_no_box(tmp_path: Path) -> None:
    item = datalist_item(noise_png(tmp_path / "a.png"), "a", "tb", "train", boxes=[[1, 2, 3, 4]], patient_id="7")
    assert image_labels([item]) == [{"image": item["image"], "label": 1, "name": "a"}]
