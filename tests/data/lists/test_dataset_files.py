from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_tbkd.data import load_datalist, unlabeled_images
from monai_tbkd.data.audit.dataset_check import check_dataset
from monai_tbkd.data.lists.datalist_item import datalist_item
from monai_tbkd.data.lists.dataset_files import unread_splits
from tests.data.images_by_hand import noise_png

Tree = Callable[..., Path]


@pytest.mark.parametrize("layout", ["manifest", "tbx11k"])
def test_images_beside_the_listed_ones_are_named(tree: Tree, layout: str, caplog: pytest.LogCaptureFixture) -> None:
    root = tree("imgs/tb/a.png", "imgs/tb/b.png", "imgs/health/c.png", "imgs/test/d.png", "other/e.png")
    (root / "lists").mkdir()
    (root / "lists/TBX11K_train.txt").write_text("tb/a.png\nhealth/c.png\n")
    (root / "manifest.csv").write_text("image,label\nimgs/tb/a.png,tb\nimgs/health/c.png,health\n")
    (finding,) = [each for each in check_dataset([root], layout).findings if each.kind == "not_listed"]
    assert finding.severity == "note"
    assert "(1: imgs/tb/b.png)" in finding.sentence
    with caplog.at_level(logging.INFO, "monai_tbkd"):
        load_datalist(root, layout=layout, select=0)
    assert "left out (1: imgs/tb/b.png)" in caplog.text


@pytest.mark.parametrize(
    "name", ["train.txt", "val.csv", "Test_list.txt", "split.csv", "data_splits.json", "folds.csv"]
)
def test_lists_of_splits_beside_class_folders_are_named(tree: Tree, name: str) -> None:
    root = tree("tb/a.png", "health/b.png")
    for harmless in ("README.txt", "patients.csv", "manifest.csv"):
        (root / harmless).write_text("train")
    assert unread_splits(root, "class_folders") is None
    (root / name).write_text("tb/a.png\n")
    assert f"lists of splits that are not read (1: {name})" in (unread_splits(root, "class_folders") or "")
    assert unread_splits(root, "tbx11k") is None


def test_lists_that_the_yaml_of_a_yolo_set_names_are_read(tree: Tree) -> None:
    root = tree("images/a.png")
    for name in ("train.txt", "val.txt"):
        (root / name).write_text("images/a.png\n")
    (root / "data.yaml").write_text("names: [tb]\ntrain: ./train.txt\n")
    assert "are not read (1: val.txt)" in (unread_splits(root, "yolo") or "")
    several = [datalist_item(root / "images/a.png", "a", "tb", split) for split in ("train", "val")]
    assert unread_splits(root, "yolo", several) is None
    (root / "data.yaml").write_text("names: [tb]\ntrain: ./train.txt\nval: val.txt\n")
    assert unread_splits(root, "yolo") is None


def test_a_training_logs_them_and_the_check_warns(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    root = tree(*[f"{folder}/{number}.png" for folder in ("tb", "health") for number in range(4)])
    (root / "val.txt").write_text("tb/0.png\n")
    load_datalist(root, select=0, test=1)
    assert "lists of splits that are not read (1: val.txt)" in caplog.text
    findings = {finding.kind: finding.severity for finding in check_dataset([root]).findings}
    assert findings["unread_splits"] == "warning"


def test_unlabeled_images(tmp_path: Path) -> None:
    path = str(noise_png(tmp_path / "x.png"))
    assert unlabeled_images(None) == []
    (tmp_path / "images.txt").write_text(f"{path}\n\n")
    assert unlabeled_images(tmp_path / "images.txt") == [{"image": path, "name": "x.png"}]
    assert unlabeled_images([path]) == unlabeled_images(tmp_path) == [{"image": path, "name": "x.png"}]
