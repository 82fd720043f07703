"""Which items are whose, where several processes share them."""

from __future__ import annotations

import itertools

import pytest

from monai_tbkd.data import part_of_batches
from monai_tbkd.data.files import processes


@pytest.mark.parametrize("size", [1, 2, 3])
def test_each_item_is_one_process_s(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(processes, "world_size", lambda: size)
    fractions = []
    for rank in range(size):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        fractions.append(part_of_batches(range(11), batch_size=2))
    assert sorted(itertools.chain(*fractions)) == list(range(11))
