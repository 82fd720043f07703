from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics.proportions import Estimates, ratio, weighted_sum, wilson


def single(value: float, low: float, high: float) -> Estimates:
    return Estimates(np.array(value), np.array(low), np.array(high))


def test_wilson_of_counts() -> None:
    ours = wilson(np.array([0, 9, 30]), np.array([12, 10, 30]))
    assert ours.value.tolist() == [0.0, 0.9, 1.0]
    assert ours.low == pytest.approx([0.0, 0.595850, 0.886487], abs=1e-6)
    assert ours.high == pytest.approx([0.242494, 0.982124, 1.0], abs=1e-6)


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
    hits, false = rng.binomial(120, 0.9, 4000), rng.binomial(300, 0.1, 4000)
    found = ratio(wilson(hits, np.array(120)), wilson(false, np.array(300)))
    assert ((found.low <= 9) & (found.high >= 9)).mean() == pytest.approx(0.95, abs=0.015)
