from __future__ import annotations

import math

import pytest
import torch

from monai_tbkd.networks import AverageMapPool, LogSumExpMapPool

MAP = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])


def test_average_by_hand() -> None:
    assert AverageMapPool()(MAP).item() == 1.5


def test_log_sum_exp_by_hand() -> None:
    expected = math.log((1 + math.e**2 + math.e**4 + math.e**6) / 4) / 2
    assert LogSumExpMapPool(r=2.0)(MAP).item() == pytest.approx(expected, rel=1e-6)


def test_log_sum_exp_lies_between_mean_and_maximum() -> None:
    assert LogSumExpMapPool(r=1e-3)(MAP).item() == pytest.approx(1.5, abs=2e-3)
    assert LogSumExpMapPool(r=200.0)(MAP).item() == pytest.approx(3.0, abs=0.01)


def test_log_sum_exp_does_not_overflow() -> None:
    assert LogSumExpMapPool(r=5.0)(MAP * 1000).isfinite().all()


@pytest.mark.parametrize("r", [0, -1.0])
def test_bad_numbers(r: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        LogSumExpMapPool(r)


@pytest.mark.parametrize(
    "pool",
    [AverageMapPool(), LogSumExpMapPool()],
    ids=lambda pool: type(pool).__name__,
)
def test_every_pooling_can_be_scripted(pool: torch.nn.Module) -> None:
    maps = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(torch.jit.script(pool)(maps), pool(maps))
