from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monai_tbkd.data import load_datalist
from monai_tbkd.data.datalist_item import datalist_item
from monai_tbkd.data.dataset_check import check_dataset
from monai_tbkd.data.dataset_files import unread_splits

Tree = Callable[..., Path]


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
    several = [datalist_item(root / "images/a.png", "a", "tb", split, 2) for split in ("train", "val")]
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
