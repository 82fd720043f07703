from __future__ import annotations

import math

import pytest
import torch

from monai_tbkd.networks import AverageMapPool, HemithoraxMapPool, LogSumExpMapPool

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


def test_each_half_by_hand() -> None:
    # log-sum-exp with r: log(mean(exp(r x))) / r
    half = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    expected = float((2 * half).exp().mean().log() / 2)
    pooled = HemithoraxMapPool(r=2.0)(torch.cat([half, torch.full((2, 2), -3.0)], dim=1)[None, None])
    torch.testing.assert_close(pooled, torch.tensor([[expected, -3.0]]))


def test_mirrored_map_gives_mirrored_halves() -> None:
    for columns in (6, 7):
        activation_map = torch.randn(2, 1, 5, columns, generator=torch.Generator().manual_seed(columns))
        torch.testing.assert_close(
            HemithoraxMapPool()(activation_map.flip(-1)), HemithoraxMapPool()(activation_map).flip(-1)
        )


def test_middle_column_belongs_to_both_halves() -> None:
    activation_map = torch.tensor([[[[0.0, 5.0, 1.0]]]])
    pool = LogSumExpMapPool(2.0)
    expected = torch.cat([pool(activation_map[..., :2]), pool(activation_map[..., 1:])], dim=1)
    torch.testing.assert_close(HemithoraxMapPool(2.0)(activation_map), expected)
    assert (expected > 4).all()


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 1, 4, 1)])
def test_several_channels_and_a_single_column_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one channel and two columns"):
        HemithoraxMapPool()(torch.zeros(shape))
