from __future__ import annotations

from collections import Counter

import pytest
import torch

from monai_tbkd.data import balanced_sampler

ITEMS = [
    {"label": label, "source": source}
    for label, source, count in ((0, "a", 600), (1, "a", 100), (0, "b", 200), (1, "b", 100))
    for _ in range(count)
]


@pytest.mark.parametrize(
    ("balance", "fractions"),
    [
        ("class", {(0, "a"): 3 / 8, (0, "b"): 1 / 8, (1, "a"): 1 / 4, (1, "b"): 1 / 4}),
        ("source", dict.fromkeys(((0, "a"), (0, "b"), (1, "a"), (1, "b")), 1 / 4)),
    ],
)
def test_groups_are_drawn_alike(balance: str, fractions: dict[tuple[int, str], float]) -> None:
    torch.manual_seed(0)
    sampler = balanced_sampler(ITEMS, balance)
    assert sampler is not None
    drawn = list(sampler)
    assert len(drawn) == len(ITEMS)
    counts = Counter((ITEMS[i]["label"], ITEMS[i]["source"]) for i in drawn)
    # 1000 draws: a standard deviation of at most 0.016
    assert {group: count / 1000 for group, count in counts.items()} == pytest.approx(fractions, abs=0.05)


def test_none_leaves_it_to_the_loader_and_other_words_are_refused() -> None:
    assert balanced_sampler(ITEMS, "none") is None
    with pytest.raises(ValueError, match="balance is 'hospital'; expected one of"):
        balanced_sampler(ITEMS, "hospital")
