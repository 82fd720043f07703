from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_tbkd.data import load_datalist, split_by_name_hash
from monai_tbkd.data.lists.splits import half_labels, split_by_fold
from tests.data.conftest import refused

Tree = Callable[..., Path]
PARTS = ("train", "select", "test")


def images(tb: int = 40, health: int = 100) -> list[dict[str, Any]]:
    return [{"name": f"tb/{i}.png", "class_name": "tb"} for i in range(tb)] + [
        {"name": f"health/{i}.png", "class_name": "health"} for i in range(health)
    ]


def names(parts: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    return {part: [item["name"] for item in items] for part, items in parts.items()}


def classes(items: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(item["class_name"] for item in items))


def test_fractions_and_counts_are_kept_in_every_class() -> None:
    parts = split_by_name_hash(images(), test=10, select=0.2)
    assert classes(parts["test"]) == {"tb": 10, "health": 25}
    assert classes(parts["select"]) == {"tb": 8, "health": 20}
    assert classes(parts["train"]) == {"tb": 22, "health": 55}


def test_the_order_of_the_images_does_not_matter() -> None:
    shuffled = images()
    random.Random(0).shuffle(shuffled)
    assert names(split_by_name_hash(shuffled, test=0.2)) == names(split_by_name_hash(images(), test=0.2))


def test_the_split_is_this_one_on_every_machine() -> None:
    # Ranked by hand: sha256 of "tb/0.png" ... "tb/9.png", smallest first.
    parts = names(split_by_name_hash(images(tb=10, health=0), test=0.2, select=0.1))
    assert parts["test"] == ["tb/0.png", "tb/3.png"]
    assert parts["select"] == ["tb/6.png"]


def test_more_images_of_another_class_move_no_image_of_this_one() -> None:
    few = names(split_by_name_hash(images(health=10), test=0.2))
    many = names(split_by_name_hash(images(health=100), test=0.2))
    assert [name for name in few["test"] if "tb" in name] == [name for name in many["test"] if "tb" in name]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["health", "sick", "tb"])), max_size=40),
    st.floats(0, 0.45),
    st.floats(0, 0.45),
)
def test_no_image_is_lost_and_no_patient_straddles(owners: list[tuple[int, str]], test: float, select: float) -> None:
    items = [
        {"name": f"{i}.png", "class_name": name, "patient_id": str(patient)} for i, (patient, name) in enumerate(owners)
    ]
    parts = split_by_name_hash(items, test=test, select=select)
    assert sorted(name for part in names(parts).values() for name in part) == sorted(item["name"] for item in items)
    where: dict[str, set[str]] = {}
    for part, kept in parts.items():
        for item in kept:
            where.setdefault(item["patient_id"], set()).add(part)
    assert all(len(found) == 1 for found in where.values())


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"test": 41}, "test asks for 41 TB images and there are 40"),
        ({"test": 0.5, "select": 20}, "leave nothing to train on"),
        ({"select": -1}, "select is -1"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, float], message: str) -> None:
    refused(message, split_by_name_hash, images(), **sizes)


# ---------------------------------------------------------------- folds


def sourced_images(source: int = 0, **counts: int) -> list[dict[str, Any]]:
    return [
        {"name": f"{source}/{name}/{i}.png", "class_name": name, "source": source}
        for name, count in counts.items()
        for i in range(count)
    ]


def names_of(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


def test_every_image_is_reported_once_and_parts_never_meet() -> None:
    items = sourced_images(tb=23, sick=11, health=40)
    reported: Counter[str] = Counter()
    for fold in range(5):
        parts = split_by_fold(items, folds=5, fold=fold)
        assert sorted(name for part in PARTS for name in names_of(parts[part])) == sorted(names_of(items))
        reported.update(names_of(parts["test"]))
    assert reported == Counter(names_of(items))


def test_each_fold_has_its_share_of_each_class_and_source() -> None:
    items = sourced_images(0, tb=50, health=100) + sourced_images(1, tb=20, health=10)
    for fold in range(5):
        parts = split_by_fold(items, folds=5, fold=fold, select=0.25)
        for part, fraction in (("test", 0.2), ("select", 0.2), ("train", 0.6)):
            found = Counter((item["source"], item["class_name"]) for item in parts[part])
            assert found == {
                (0, "tb"): 50 * fraction, (0, "health"): 100 * fraction,
                (1, "tb"): 20 * fraction, (1, "health"): 10 * fraction,
            }  # fmt: skip


def test_images_of_a_patient_stay_together_with_the_rarest_of_their_classes() -> None:
    items = sourced_images(tb=30, health=60)
    for i, item in enumerate(items):
        item["patient_id"] = f"p{i % 15}"  # each has TB and health
    for i in range(10):
        items.append({"name": f"alone/{i}.png", "class_name": "health"})
    for fold in range(5):
        parts = split_by_fold(items, folds=5, fold=fold)
        where = {part: {item.get("patient_id") for item in parts[part]} - {None} for part in PARTS}
        assert not where["train"] & where["test"] and not where["select"] & where["test"]
        assert not where["train"] & where["select"]
        assert Counter(item["class_name"] for item in parts["test"]) == {"tb": 6, "health": 12 + 2}


def test_a_seed_gives_the_same_folds_and_another_one_others() -> None:
    items = sourced_images(tb=20, health=20)
    shuffled = random.Random(0).sample(items, len(items))
    first = split_by_fold(items, 4, 1, seed=3)
    assert split_by_fold(shuffled, 4, 1, seed=3) == first
    assert names_of(split_by_fold(items, 4, 1, seed=4)["test"]) != names_of(first["test"])
    assert names_of(first["test"]) == sorted(
        names_of(first["test"]), key=lambda n: (n.split("/")[1], int(n.split("/")[2][:-4]))
    )


def test_a_number_of_tb_images_to_choose_thresholds_on() -> None:
    parts = split_by_fold(sourced_images(tb=50, health=100), folds=5, fold=0, select=10)  # of 40: a quarter
    assert Counter(item["class_name"] for item in parts["select"]) == {"tb": 10, "health": 20}
    assert len(split_by_fold(sourced_images(tb=50, health=100), folds=5, fold=0, select=0)["select"]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1, "fold": 0}, "expected 2 folds or more"),
        ({"folds": 5, "fold": 5}, "fold is 5 of folds 5"),
        ({"folds": 5, "fold": -1}, "a fold from 0 on"),
        ({"folds": 5, "fold": 0, "select": 40}, r"select is 40 and leaves nothing to train on \(50 TB images"),
        ({"folds": 5, "fold": 0, "select": -0.1}, "select is -0.1"),
        ({"folds": 11, "fold": 0}, "11 folds of 10 health images or patients; take fewer"),
    ],
)
def test_what_cannot_be_split(options: dict[str, Any], message: str) -> None:
    refused(message, split_by_fold, sourced_images(tb=50, health=10), **options)


# ---------------------------------------------------------------- labels of halves


def boxed(*boxes: list[float], size: tuple[int, int] = (200, 100)) -> dict[str, Any]:
    return {"name": "a", "class_name": "tb" if boxes else "health", "label": 1, "boxes": list(boxes), "size": [*size]}


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([[0, 0, 40, 10]], [1, 0]),
        ([[60, 0, 90, 10]], [0, 1]),
        ([[0, 0, 40, 10], [60, 0, 90, 10]], [1, 1]),
        ([[10, 0, 52, 10]], [1, 0]),  # over the middle by 2 of its 42
        ([[48, 0, 90, 10]], [0, 1]),
        ([[30, 0, 70, 10]], [1, 1]),
        ([[40, 0, 51.76, 10]], [1, 0]),  # by just less than 15 %
        ([[40, 0, 51.77, 10]], [1, 1]),
        ([], [0, 0]),
    ],
)
def test_labels_of_halves_by_hand(boxes: list[list[float]], expected: list[int]) -> None:
    item = boxed(*boxes)
    (found,) = half_labels([item])
    assert found["label"].tolist() == expected
    assert found["label"].dtype == np.int64
    assert {**found, "label": 1} == item and item["label"] == 1  # the item itself is left as it is


def test_tb_images_without_boxes_have_no_halves() -> None:
    with_boxes, broken = boxed([0, 0, 40, 10]), {**boxed([0, 0, 40, 10]), "size": None}
    assert len(half_labels([{**with_boxes, "boxes": None}, with_boxes])) == 1
    assert half_labels([broken]) == [broken]  # for check_datalist to name


# ---------------------------------------------------------------- through the data list


def test_folds_of_a_data_list_leave_its_own_val_alone(tree: Tree) -> None:
    root = tree(*(f"{split}/{name}/{name}{i}.png" for split in ("train", "val") for name in ("tb", "health")
                  for i in range(10)))  # fmt: skip
    reported: list[str] = []
    for fold in range(5):
        splits = load_datalist(root, folds=5, fold=fold, select=0.25, seed=1)
        assert [len(splits[part]) for part in PARTS] == [12, 4, 4]
        assert {item["split"] for part in splits.values() for item in part} == {"train"}
        reported += names_of(splits["test"])
    assert len(reported) == len(set(reported)) == 20
    refused("11 folds of 10", load_datalist, root, folds=11)


def test_each_source_is_in_each_fold(tree: Tree) -> None:
    root = tree(*(f"{source}/{name}/{source}{i}.png" for source in ("one", "two") for name in ("tb", "health")
                  for i in range(5)))  # fmt: skip
    for fold in range(5):
        splits = load_datalist([root / "one", root / "two"], folds=5, fold=fold)
        found = Counter((Path(item["image"]).name[:3], item["class_name"]) for item in splits["test"])
        assert found == {(source, name): 1 for source in ("one", "two") for name in ("tb", "health")}


def test_halves_are_labels_of_training_images_alone(tree: Tree) -> None:
    root = tree(*(f"{name}/{name}{i}.png" for name in ("tb", "health") for i in range(10)))
    rows = [f"tb/tb{i}.png,tb,{'' if i == 9 else boxes}"
            for i, boxes in zip(range(10), ['"[[0, 0, 9, 9]]"', '"[[20, 0, 31, 9]]"'] * 5)]  # fmt: skip
    rows += [f"health/health{i}.png,health," for i in range(10)]
    (root / "manifest.csv").write_text("\n".join(["image,label,boxes", *rows]))
    splits = load_datalist(root, 1, folds=5, select=0.25, labels="halves")
    assert all(item["label"] in (0, 1) for part in ("select", "test") for item in splits[part])
    kinds = {f"tb/tb{i}.png": [1 - i % 2, i % 2] for i in range(9)}
    found = {item["name"]: item["label"].tolist() for item in splits["train"]}
    assert found == {name: kinds.get(name, [0, 0]) for name in found}
    every = [item["name"] for part in splits.values() for item in part]
    assert len(every) == 19  # the one without boxes is in no split
    assert "tb/tb9.png" not in every
    with pytest.raises(ValueError, match="labels is 'quarters'; expected whole or halves"):
        load_datalist(root, labels="quarters")


def test_halves_need_no_image_without_tb(tree: Tree) -> None:
    root = tree(*(f"tb/tb{i}.png" for i in range(10)))
    rows = [f"tb/tb{i}.png,tb,{boxes}" for i, boxes in zip(range(10), ['"[[0, 0, 9, 9]]"', '"[[20, 0, 31, 9]]"'] * 5)]
    (root / "manifest.csv").write_text("\n".join(["image,label,boxes", *rows]))
    assert len(load_datalist(root, 1, folds=5, labels="halves")["train"]) > 0
    refused("one label only", load_datalist, root, 1, folds=5)


def test_an_image_that_cannot_be_read_is_named_with_labels_of_halves_too(tree: Tree) -> None:
    root = tree(*(f"tb/tb{i}.png" for i in range(10)))
    rows = [f'tb/tb{i}.png,tb,"[[0, 0, 9, 9]]"' for i in range(10)]
    (root / "manifest.csv").write_text("\n".join(["image,label,boxes", *rows]))
    (root / "tb" / "tb3.png").write_bytes(b"torn")
    refused(r"tb3\.png", load_datalist, root, 1, folds=5, labels="halves")


def test_a_fold_of_no_folds_is_refused(tmp_path: Path) -> None:
    refused("fold is 1 and folds is null", load_datalist, tmp_path, fold=1)


@pytest.mark.parametrize(("folds", "fold"), [("five", 0), (2.5, 0), (5, 0.5), (5, "0"), (True, 0)])
def test_folds_that_are_no_whole_numbers_are_refused(folds: Any, fold: Any) -> None:
    refused("expected 2 folds or more", split_by_fold, sourced_images(tb=10), folds=folds, fold=fold)
