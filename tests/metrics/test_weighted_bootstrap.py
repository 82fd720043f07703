from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from monai_tbkd.metrics import weighted_bootstrap
from monai_tbkd.metrics.bootstrap import area_under_roc, bootstrap_mean, resample_weights
from monai_tbkd.metrics.image_level import weighted_image_level
from monai_tbkd.metrics.bootstrap import (
    bca_limits,
    bootstrap_draws,
    bootstrap_weighted,
    jackknife,
    paired_differences,
    weighted_mean,
    weighted_ratio,
)


def example(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    positive = rng.random(n) < 0.4
    return np.round(rng.normal(np.where(positive, 1.5, 0.0)), 1), positive


def test_draws_are_those_of_the_resample_weights_whatever_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(7.0)
    expected = resample_weights(7, 50, seed=3) @ values / 7
    assert bootstrap_draws(weighted_mean(values), 7, 50, seed=3) == pytest.approx(expected)
    monkeypatch.setattr(weighted_bootstrap, "_CELLS_AT_ONCE", 21)  # 3 resamples at a time
    assert bootstrap_draws(weighted_mean(values), 7, 50, seed=3) == pytest.approx(expected)
    assert jackknife(weighted_mean(values), 7) == pytest.approx((21 - values) / 6)


def test_percentile_interval_is_the_one_of_bootstrap_mean() -> None:
    values = np.array([0.1, np.nan, 0.4, 0.9, 0.9])
    weighted = bootstrap_weighted(weighted_mean(values[[0, 2, 3, 4]]), 4)
    assert weighted == pytest.approx(bootstrap_mean(values))


def test_weighted_statistics_leave_nan_out() -> None:
    weights = np.array([[1, 1, 1], [0, 5, 2], [0, 1, 0]])
    assert weighted_mean(np.array([1.0, np.nan, 4.0]))(weights) == pytest.approx([2.5, 4.0, np.nan], nan_ok=True)
    assert weighted_ratio(np.array([1.0, 1.0, 0.0]), np.array([1.0, 3.0, 2.0]))(weights[:1]) == pytest.approx([2 / 6])


@pytest.mark.parametrize("n", [25, 60])
def test_bca_limits_are_scipys_for_the_same_draws(n: int) -> None:
    scores, positive = example(n)

    def auc(s: np.ndarray, p: np.ndarray) -> float:
        return area_under_roc(s, p.astype(bool))

    found = scipy.stats.bootstrap(
        (scores, positive), auc, paired=True, vectorized=False, n_resamples=500, method="BCa", rng=0
    )
    limits = bca_limits(
        found.bootstrap_distribution,
        area_under_roc(scores, positive),
        jackknife(weighted_image_level("auc", scores, positive), n),
        0.95,
    )
    assert limits == pytest.approx(tuple(found.confidence_interval), abs=1e-12)


def test_own_bca_of_own_draws_is_near_scipys() -> None:
    values = np.random.default_rng(0).lognormal(0, 1, 80)
    own = bootstrap_weighted(weighted_mean(values), 80, resamples=9999, method="bca")
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=9999, method="BCa", rng=1).confidence_interval
    plain = bootstrap_weighted(weighted_mean(values), 80, resamples=9999)
    assert (own.low, own.high) == pytest.approx(tuple(theirs), rel=0.03)
    assert own.high > plain.high + 0.02  # the correction is seen on skewed values


def test_bca_without_limits_falls_back_to_percentiles() -> None:
    assert bootstrap_weighted(weighted_mean(np.ones(5)), 5, method="bca")[:3] == (1.0, 1.0, 1.0)
    perfect = weighted_image_level("auc", np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 0, 1, 1]) > 0)
    assert bootstrap_weighted(perfect, 4, method="bca")[:3] == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="expected one of"):
        bootstrap_weighted(perfect, 4, method="BCa")


def test_many_films_are_left_out_in_blocks_that_give_the_same_acceleration() -> None:
    values = np.random.default_rng(0).lognormal(0, 1.5, 1500)
    blocks, single = jackknife(weighted_mean(values), 1500), (values.sum() - values) / 1499
    assert len(blocks) == 1000

    def acceleration(left_out: np.ndarray) -> float:
        deviation = left_out.mean() - left_out
        return float((deviation**3).sum() / (6 * (deviation**2).sum() ** 1.5))

    assert acceleration(blocks) == pytest.approx(acceleration(single), rel=0.15)


def test_paired_differences_see_the_same_films() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(80)  # how hard a film is moves both by the same
    teacher, student = hard + rng.normal(0, 0.01, 80), hard + 0.02 + rng.normal(0, 0.01, 80)
    found = paired_differences({"teacher": weighted_mean(teacher), "student": weighted_mean(student)}, 80)
    gain, loss = found["student"]["teacher"], found["teacher"]["student"]
    assert gain.value == pytest.approx((student - teacher).mean())
    assert (gain.low, gain.high) == pytest.approx((-loss.high, -loss.low))
    assert gain.low > 0.01
    assert gain == pytest.approx(bootstrap_mean(student - teacher))
    assert bootstrap_mean(student).low < bootstrap_mean(teacher).high  # unpaired, nothing would be seen
