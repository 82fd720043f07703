"""Which items are whose, where several processes share them."""

from __future__ import annotations

import itertools

import pytest

from monai_tbkd.data import processes, share_of_batches


@pytest.mark.parametrize("size", [1, 2, 3])
def test_each_item_is_one_process_s(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(processes, "world_size", lambda: size)
    shares = []
    for rank in range(size):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        shares.append(share_of_batches(range(11), batch_size=2))
    assert sorted(itertools.chain(*shares)) == list(range(11))
