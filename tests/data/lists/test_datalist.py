from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_tbkd.data import load_datalist
from tests.data.conftest import refused

Tree = Callable[..., Path]
CLASSES = ("tb", "health")


def names(prefix: str, count: int = 10) -> list[str]:
    return [f"{prefix}{name}/{name}{i}.png" for name in CLASSES for i in range(count)]


def sizes(splits: dict[str, list[dict[str, object]]]) -> dict[str, int]:
    return {name: len(part) for name, part in splits.items()}


def test_own_val_is_reported_and_select_is_cropped_from_train(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    root = tree(*names("train/"), *names("val/", 3), *names("test/", 4))
    with caplog.at_level(logging.INFO, "monai_tbkd"):
        splits = load_datalist(root, select=2)
    assert sizes(splits) == {"train": 16, "select": 4, "test": 6}
    assert {item["split"] for item in splits["test"]} == {"val"}
    assert {item["split"] for item in splits["select"]} == {"train"}
    assert "test        6 images  health 3  sick 0  tb 3" in caplog.text


def test_own_test_is_reported_where_there_is_no_val(tree: Tree) -> None:
    splits = load_datalist(tree(*names("train/"), *names("test/", 4)), select=0.2)
    assert sizes(splits) == {"train": 16, "select": 4, "test": 8}


def test_without_own_split_test_is_a_slice_too(tree: Tree) -> None:
    splits = load_datalist(tree(*names("")), select=0.25)
    # 2 of 10 of either class to test, then a quarter of 8 to select.
    assert sizes(splits) == {"train": 12, "select": 4, "test": 4}


def test_a_test_size_leaves_the_own_val_unused(tree: Tree) -> None:
    splits = load_datalist(tree(*names("train/"), *names("val/", 3)), select=0, test=0.5)
    assert sizes(splits) == {"train": 10, "select": 0, "test": 10}
    assert {item["split"] for item in splits["test"]} == {"train"}


def test_layouts_are_found(tree: Tree) -> None:
    root = tree(*names("imgs/"))
    assert len(load_datalist(root)["train"]) > 0
    rows = "\n".join(f"imgs/{name}/{name}{i}.png,{name}" for name in CLASSES for i in range(5))
    (root / "images.csv").write_text(f"image,label\n{rows}\n")
    assert sum(sizes(load_datalist(root / "images.csv")).values()) == 10
    (root / "images.csv").rename(root / "manifest.csv")
    assert sum(sizes(load_datalist(root)).values()) == 20, "imgs goes first"
    assert sum(sizes(load_datalist(root, layout="manifest")).values()) == 10
    assert sum(sizes(load_datalist(root / "imgs", layout="class_folders")).values()) == 20


def test_several_sources_keep_names_unless_they_clash(tree: Tree) -> None:
    root = tree(*names("one/"), *names("two/", 2), *names("three/other_name/"))
    (root / "three" / "other_name").rename(root / "three" / "train")
    splits = load_datalist([root / "one", root / "two"], select=0.1)
    found = {item["name"] for part in splits.values() for item in part}
    assert len(found) == 24
    assert {"one/tb/tb0.png", "two/tb/tb0.png", "tb/tb5.png"} <= found
    assert "tb/tb0.png" not in found


def test_a_second_source_may_bring_the_other_class(tree: Tree) -> None:
    root = tree(*[f"one/tb/{i}.png" for i in range(10)], *[f"two/normal/{i}.png" for i in range(20)])
    refused("one label only", load_datalist, root / "one")
    splits = load_datalist([root / "one", root / "two"], select=2)
    # A fifth of either goes to test; 2 of 8 TB images are a quarter, so 4 of 16 of the others go along.
    assert sizes(splits) == {"train": 18, "select": 6, "test": 6}


@pytest.mark.parametrize("where", ["nowhere", "notes.txt", "empty"])
def test_what_is_no_data_set_is_named(tree: Tree, where: str) -> None:
    root = tree(*names(""))
    (root / "notes.txt").touch()
    (root / "empty").mkdir()
    refused(where, load_datalist, root / where)


def test_class_folders_without_an_image_are_said(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "bare" / "tb").mkdir(parents=True)
    refused("no image in it", load_datalist, tmp_path / "bare")
    refused("empty list", load_datalist, [])
    with pytest.raises(ValueError, match="'coco'"):
        load_datalist(tmp_path, layout="coco")


def test_real_sources_merge(real_data: Path) -> None:
    splits = load_datalist([real_data / "TBX11K", real_data / "nih"], num_classes=2, select=100)
    assert sizes(splits) == {"train": 634, "select": 166, "test": 200}
    assert sum(item["label"] for item in splits["select"]) == 100


def test_a_hospital_that_is_held_out_is_reported_whole(tree: Tree) -> None:
    root = tree(*names("here/train/", 20), *names("here/val/"), *names("there/train/"), *names("third/test/", 3))
    splits = load_datalist(root / "here", select=0.25, test_dir=[root / "there", root / "third"])
    assert sizes(splits) == {"train": 30, "select": 10, "test": 26}
    assert {item["source"] for item in splits["test"]} == {"there", "third"}
    assert {item["source"] for item in splits["train"] + splits["select"]} == {"here"}
    assert "there/train/tb/tb0.png" in {item["name"] for item in splits["test"]}  # as here has one of that name
    again = load_datalist(root / "here", select=0.25, test_dir=root / "third")
    assert [again[name] for name in ("train", "select")] == [splits[name] for name in ("train", "select")]
    for setting in ({"folds": 2}, {"test": 0.5}):
        refused("both say what is reported", load_datalist, root / "here", test_dir=root / "there", **setting)


def test_every_source_has_its_part_of_the_selection_split(tree: Tree) -> None:
    root = tree(*names("here/", 16), *names("there/", 8))
    select = load_datalist([root / "here", root / "there"], select=0.25, test=0)["select"]
    counts = Counter((item["source"], item["class_name"]) for item in select)
    assert counts == {("here", "tb"): 4, ("here", "health"): 4, ("there", "tb"): 2, ("there", "health"): 2}
