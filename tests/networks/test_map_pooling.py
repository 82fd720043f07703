from __future__ import annotations

import math

import pytest
import torch

from monai_tbkd.networks import (
    AverageMapPool,
    LogSumExpMapPool,
    NoisyOrMapPool,
    ProbabilisticMapPool,
    TopKMapPool,
)

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


def test_top_k_by_hand() -> None:
    assert TopKMapPool(0.5)(MAP).item() == 2.5
    assert TopKMapPool(0.01)(MAP).item() == 3.0
    assert TopKMapPool(1.0)(MAP).item() == 1.5


@pytest.mark.parametrize("bad", [lambda: LogSumExpMapPool(0), lambda: TopKMapPool(0), lambda: TopKMapPool(1.5)])
def test_bad_numbers(bad) -> None:
    with pytest.raises(ValueError, match="above 0"):
        bad()


def test_probabilistic_by_hand() -> None:
    # logits 0 and ln 3: probabilities 1/2 and 3/4, weights 2/5 and 3/5
    row = torch.tensor([[[[0.0, math.log(3)]]]])
    assert ProbabilisticMapPool()(row).item() == pytest.approx(0.6 * math.log(3), rel=1e-6)


def test_probabilistic_is_the_papers_pooling_of_features_before_a_linear_head() -> None:
    g = torch.Generator().manual_seed(0)
    features, head = torch.randn(2, 5, 3, 4, generator=g), torch.nn.Conv2d(5, 1, 1)
    activation_map = head(features)
    p = activation_map.sigmoid()
    pooled = (features * p / p.sum(dim=(-2, -1), keepdim=True)).sum(dim=(-2, -1), keepdim=True)
    torch.testing.assert_close(ProbabilisticMapPool()(activation_map), head(pooled).flatten(1))


def test_probabilistic_limits() -> None:
    # where all sigmoids are nearly 1 it is the mean, where all are nearly 0 the softmax-weighted mean
    assert ProbabilisticMapPool()(MAP + 50).item() == pytest.approx(51.5, rel=1e-6)
    low = (MAP - 200).flatten()
    assert ProbabilisticMapPool()(MAP - 200).item() == pytest.approx((low.softmax(0) * low).sum().item(), rel=1e-6)
    # a cell that denies the class with all its might counts for nothing
    assert ProbabilisticMapPool()(torch.tensor([[[[2.0, -1000.0]]]])).item() == pytest.approx(2.0)


def test_noisy_or_by_hand() -> None:
    # of 1/2 and 3/4: 1 - 1/8, odds of 7
    row = torch.tensor([[[[0.0, math.log(3)]]]])
    assert NoisyOrMapPool()(row).item() == pytest.approx(math.log(7), rel=1e-6)
    # one cell is its own logit, at every size
    cell = torch.tensor([-300.0, -25.0, -20.0, -12.0, -10.0, -5.0, 0.0, 5.0, 25.0, 300.0])
    torch.testing.assert_close(NoisyOrMapPool()(cell.reshape(1, -1, 1, 1))[0], cell, rtol=1e-6, atol=1e-6)


def test_noisy_or_limits() -> None:
    # rare everywhere: probabilities add up
    assert NoisyOrMapPool()(torch.full((1, 1, 32, 32), -60.0)).item() == pytest.approx(math.log(1024) - 60, rel=1e-6)
    # sure everywhere: log-odds of no TB anywhere add up
    assert NoisyOrMapPool()(torch.full((1, 1, 2, 2), 30.0)).item() == pytest.approx(120, rel=1e-6)
    # more cells that see it, more of it
    assert NoisyOrMapPool()(MAP).item() > MAP.max().item()


@pytest.mark.parametrize("pool", [ProbabilisticMapPool(), NoisyOrMapPool()])
def test_gradients(pool: torch.nn.Module) -> None:
    for level in (-30.0, -9.0, 0.0, 9.0):
        x = torch.randn(2, 2, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + level
        assert torch.autograd.gradcheck(pool, x.requires_grad_(True))
    extreme = torch.tensor([[[[-1e4, 1e4]]], [[[-1e4, -1e4]]]], requires_grad=True)
    pool(extreme).sum().backward()
    assert extreme.grad is not None
    assert extreme.grad.isfinite().all()


@pytest.mark.parametrize(
    "pool",
    [AverageMapPool(), LogSumExpMapPool(), TopKMapPool(), ProbabilisticMapPool(), NoisyOrMapPool()],
    ids=lambda pool: type(pool).__name__,
)
def test_every_pooling_can_be_scripted(pool: torch.nn.Module) -> None:
    maps = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(torch.jit.script(pool)(maps), pool(maps))
