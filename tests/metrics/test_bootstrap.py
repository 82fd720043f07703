from __future__ import annotations

import numpy as np
import pytest
from monai.metrics import compute_roc_auc
from torch import tensor

from monai_tbkd.metrics import area_under_roc, bootstrap_mean, bootstrap_ratio, bootstrap_statistic


def test_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    interval = bootstrap_mean(values, resamples=4000)
    half = 1.96 * values.std() / 20
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.03)
    assert interval.n == 400


def test_nan_takes_no_part_and_nothing_left_is_nan() -> None:
    assert bootstrap_mean(np.array([1.0, np.nan, 3.0])).value == 2.0
    assert bootstrap_mean(np.array([np.nan])).as_dict() == {"value": None, "low": None, "high": None, "n": 0}


def test_ratio_of_sums() -> None:
    assert bootstrap_ratio(np.array([1.0, 1.0]), np.array([1.0, 3.0])).value == 0.5


def test_same_seed_same_interval() -> None:
    values = np.arange(20.0)
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)
    assert bootstrap_statistic(lambda i: float(values[i].mean()), 20, seed=1).value == 9.5


def test_auc_parity_with_monai_and_ties() -> None:
    rng = np.random.default_rng(0)
    scores, positive = rng.random(200).round(1), rng.random(200) > 0.6
    assert area_under_roc(scores, positive) == pytest.approx(compute_roc_auc(tensor(scores), tensor(positive).int()))
    assert area_under_roc(np.ones(4), np.array([True, False, True, False])) == 0.5
    assert np.isnan(area_under_roc(np.ones(2), np.array([True, True])))
