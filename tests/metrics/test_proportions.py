from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from monai_tbkd.metrics.proportions import Estimates, ratio, weighted_sum, wilson


def single(value: float, low: float, high: float) -> Estimates:
    return Estimates(np.array(value), np.array(low), np.array(high))


@pytest.mark.parametrize(("hits", "of"), [(0, 12), (1, 7), (9, 10), (50, 80), (30, 30)])
def test_wilson_is_scipys(hits: int, of: int) -> None:
    theirs = scipy.stats.binomtest(hits, of).proportion_ci(method="wilson")
    ours = wilson(np.array(hits), np.array(of))
    assert (float(ours.low), float(ours.high)) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert float(ours.value) == hits / of


def test_nothing_out_of_nothing_is_nan() -> None:
    assert np.isnan(np.array(wilson(np.array([0]), np.array([0])))).all()


def test_sum_of_symmetric_intervals_is_that_of_variances() -> None:
    found = weighted_sum(single(0.5, 0.2, 0.8), single(0.1, 0.06, 0.14), 1.0, 10.0)
    assert tuple(map(float, found)) == pytest.approx((1.5, 1.0, 2.0))  # the root of 0.3^2 + 0.4^2


def test_ratio_by_a_certain_number_is_a_division() -> None:
    found = ratio(single(0.4, 0.3, 0.6), single(0.5, 0.5, 0.5))
    assert tuple(map(float, found)) == pytest.approx((0.8, 0.6, 1.2))
    found = ratio(single(0.5, 0.5, 0.5), single(0.4, 0.25, 0.5))
    assert tuple(map(float, found)) == pytest.approx((1.25, 1.0, 2.0))


def test_ratio_at_zero_has_limits_that_make_sense() -> None:
    top = ratio(wilson(np.array(0), np.array(20)), wilson(np.array(10), np.array(20)))
    assert (float(top.value), float(top.low)) == (0.0, 0.0)
    assert 0.1 < float(top.high) < 1
    bottom = ratio(wilson(np.array(10), np.array(20)), wilson(np.array(0), np.array(20)))
    assert float(bottom.value) == float(bottom.high) == np.inf
    assert 1 < float(bottom.low) < 10
    assert np.isnan(np.array(ratio(wilson(np.array(0), np.array(5)), wilson(np.array(0), np.array(5))))).all()


def test_ratio_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits, false = rng.binomial(120, 0.9, 20000), rng.binomial(300, 0.1, 20000)
    found = ratio(wilson(hits, np.array(120)), wilson(false, np.array(300)))
    assert ((found.low <= 9) & (found.high >= 9)).mean() == pytest.approx(0.95, abs=0.01)
