from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_tbkd.data import DatalistError, split_by_name_hash


def films(tb: int = 40, health: int = 100) -> list[dict[str, Any]]:
    return [{"name": f"tb/{i}.png", "class_name": "tb"} for i in range(tb)] + [
        {"name": f"health/{i}.png", "class_name": "health"} for i in range(health)
    ]


def names(parts: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    return {part: [item["name"] for item in items] for part, items in parts.items()}


def classes(items: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(item["class_name"] for item in items))


def test_fractions_and_counts_are_kept_in_every_class() -> None:
    parts = split_by_name_hash(films(), test=10, select=0.2)
    assert classes(parts["test"]) == {"tb": 10, "health": 25}
    assert classes(parts["select"]) == {"tb": 8, "health": 20}
    assert classes(parts["train"]) == {"tb": 22, "health": 55}


def test_the_order_of_the_films_does_not_matter() -> None:
    shuffled = films()
    random.Random(0).shuffle(shuffled)
    assert names(split_by_name_hash(shuffled, test=0.2)) == names(split_by_name_hash(films(), test=0.2))


def test_the_split_is_this_one_on_every_machine() -> None:
    # Ranked by hand: sha256 of "tb/0.png" ... "tb/9.png", smallest first.
    parts = names(split_by_name_hash(films(tb=10, health=0), test=0.2, select=0.1))
    assert parts["test"] == ["tb/0.png", "tb/3.png"]
    assert parts["select"] == ["tb/6.png"]


def test_more_films_of_another_class_move_no_film_of_this_one() -> None:
    few = names(split_by_name_hash(films(health=10), test=0.2))
    many = names(split_by_name_hash(films(health=100), test=0.2))
    assert [name for name in few["test"] if "tb" in name] == [name for name in many["test"] if "tb" in name]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["health", "sick", "tb"])), max_size=40),
    st.floats(0, 0.45),
    st.floats(0, 0.45),
)
def test_no_film_is_lost_and_no_patient_straddles(owners: list[tuple[int, str]], test: float, select: float) -> None:
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
        ({"test": 41}, "test asks for 41 TB films and there are 40"),
        ({"test": 0.5, "select": 20}, "leave nothing to train on"),
        ({"select": -1}, "select is -1"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, float], message: str) -> None:
    with pytest.raises(DatalistError, match=message):
        split_by_name_hash(films(), **sizes)
