from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monai_tbkd.data import DatalistError, load_class_folders
from tests.data.conftest import refused
from tests.data.images_by_hand import noise_png

Tree = Callable[..., Path]


def found(root: Path) -> list[tuple[str, str, str]]:
    return [(item["name"], item["split"], item["class_name"]) for item in load_class_folders(root)]


def test_classes_alone_are_one_train_split(tree: Tree) -> None:
    root = tree("tb/deep/a.png", "Normal/b.png", "sick_non_tb/c.png")
    assert found(root) == [
        ("Normal/b.png", "train", "health"),
        ("sick_non_tb/c.png", "train", "sick"),
        ("tb/deep/a.png", "train", "tb"),
    ]
    assert [item["boxes"] for item in load_class_folders(root)] == [[], [], None]


def test_splits_with_classes(tree: Tree) -> None:
    root = tree("train/tb/a.png", "validation/tuberculosis/b.png", "test/healthy/c.png")
    assert sorted(found(root)) == [
        ("test/healthy/c.png", "test", "health"),
        ("train/tb/a.png", "train", "tb"),
        ("validation/tuberculosis/b.png", "val", "tb"),
    ]


def test_hidden_folders_tables_and_empty_classes_do_not_matter(tree: Tree) -> None:
    root = tree("tb/a.png", ".cache/x.png")
    (root / "tb" / "notes.txt").write_text("taken in May\n")
    (root / "health").mkdir()
    assert found(root) == [("tb/a.png", "train", "tb")]


def test_unknown_folders_are_named_with_what_is_expected(tree: Tree) -> None:
    refused(r"1: cats\); expected classes \(health: .*tuberculosis", load_class_folders, tree("tb/a.png", "cats/b.png"))


def test_unknown_folders_within_a_split_are_named(tree: Tree) -> None:
    refused(r"2: extra, train/cats\)", load_class_folders, tree("train/tb/a.png", "train/cats/b.png", "extra/c.png"))


def test_images_without_class_folders_are_refused(tree: Tree) -> None:
    refused("no class folder", load_class_folders, tree("a.png"))


def test_splits_of_years(tree: Tree) -> None:
    assert [split for _, split, _ in found(tree("train2017/tb/a.png", "val2017/tb/b.png"))] == ["train", "val"]


@pytest.mark.parametrize("name", ["val", "val2017", "holdout", "dev", "Test set", "testset"])
def test_splits_below_classes_are_not_merged_into_train(tree: Tree, name: str) -> None:
    with pytest.raises(DatalistError, match=rf"below a class \(1: tb/\.\.\./{name}\)"):
        load_class_folders(tree("normal/a.png", f"tb/deep/{name}/b.png"))


def test_a_split_within_another_split_is_named(tree: Tree) -> None:
    assert len(found(tree("train/tb/train/a.png"))) == 1
    refused(r"below a class \(1: train/tb/\.\.\./val\)", load_class_folders, tree("train/tb/val/a.png"))


def test_a_train_set_below_a_class_is_named_where_there_is_a_test_set(tree: Tree) -> None:
    with pytest.raises(DatalistError, match=r"below a class \(1: tb/\.\.\./test_set\)"):
        load_class_folders(tree("normal/a.png", "tb/train_set/b.png", "tb/test_set/c.png"))


@pytest.mark.parametrize(
    "position", ["tb/normal/b.png", "tb/deep/No Finding/b.png", "tb/sick/deep/b.png", "health/tb/b.png"]
)
def test_another_class_within_a_class_is_named(tree: Tree, position: str) -> None:
    root = tree("tb/active_tb/a.png", "health/normal/c.png", "tb/site_b/d.png")
    assert len(found(root)) == 3
    noise_png(root / position)
    folder, *_, inner, _ = position.replace("/deep/b.png", "/b.png").split("/")
    refused(rf"another class within a class \(1: {folder}/\.\.\./{inner}\)", load_class_folders, root)


def test_images_of_a_split_without_a_class_are_named(tree: Tree) -> None:
    refused(r"in no class \(1: b\.png\)", load_class_folders, tree("train/tb/a.png", "val/b.png"))


def test_results_below_the_data_set_are_no_class(tree: Tree) -> None:
    root = tree("tb/a.png", "health/b.png", "health/nightly/overlays/b.png", "results/overlays/a.png")
    for folder in ("results", "health/nightly"):
        (root / folder / "predictions.csv").touch()
    assert found(root) == [("health/b.png", "train", "health"), ("tb/a.png", "train", "tb")]
