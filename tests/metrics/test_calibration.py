from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve

from monai_tbkd.metrics.calibration import (
    bin_edges,
    brier_parts,
    calibration_error,
    calibration_summary,
    error_if_calibrated,
    fit_temperature,
    reliability_curve,
    score_logits,
    weighted_calibration_error,
)
from monai_tbkd.metrics.image_level import count_scores

# two bins of width 0.5: mean 0.2 with 1 of 4 TB, mean 0.9 with 3 of 4 TB
SCORES = np.array([0.1, 0.2, 0.2, 0.3, 0.8, 0.9, 0.9, 1.0])
POSITIVE = np.array([0, 0, 1, 0, 1, 1, 0, 1]) > 0


def calibrated(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 2, n)
    return logits, rng.random(n) < expit(logits)


def test_eight_images_by_hand() -> None:
    low, high = reliability_curve(SCORES, POSITIVE, bins=2, binning="equal_width")
    assert (low.lower_edge, low.upper_edge, low.n, low.fraction_with_tb) == (0.0, 0.5, 4, 0.25)
    assert (low.mean_score, high.mean_score) == pytest.approx((0.2, 0.9))
    assert low.low < 0.25 < low.high
    error = calibration_error(count_scores(SCORES, POSITIVE), bin_edges(SCORES, 2))
    assert float(error) == pytest.approx((4 * 0.05 + 4 * 0.15) / 8)
    weights = np.array([[1, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 3, 0]])
    both = weighted_calibration_error(SCORES, POSITIVE, 2)(weights)
    assert both == pytest.approx([0.05, 0.9 - 0.25])


def test_bins_of_equal_mass_hold_as_many_images_each() -> None:
    scores = np.random.default_rng(0).beta(0.3, 2, 500)
    assert [p.n for p in reliability_curve(scores, scores > 0.5, 10)] == [50] * 10
    few = bin_edges(np.array([0.2] * 90 + [0.7] * 10), 10, "equal_mass")
    assert few == pytest.approx([0, 0.2, 0.25, 1])  # the 9th decile is a tenth of the way from 0.2 to 0.7


def test_bins_follow_the_definition_one_by_one() -> None:
    scores = np.round(np.random.default_rng(3).random(200), 2)
    positive = np.random.default_rng(4).random(200) < scores**2
    total = 0.0
    for low in np.arange(10) / 10:
        inside = (scores > low + 1e-9) & (scores <= low + 0.1 + 1e-9) | ((scores == 0) & (low == 0))
        if inside.any():
            total += inside.sum() * abs(scores[inside].mean() - positive[inside].mean())
    assert float(calibration_error(count_scores(scores, positive), bin_edges(scores))) == pytest.approx(total / 200)


@pytest.mark.parametrize(("binning", "strategy"), [("equal_width", "uniform"), ("equal_mass", "quantile")])
def test_reliability_parity_with_scikit_learn(binning: str, strategy: str) -> None:
    logits, positive = calibrated(300)
    points = reliability_curve(expit(logits), positive, 10, binning)
    fraction, mean = calibration_curve(positive, expit(logits), n_bins=10, strategy=strategy)
    assert [p.fraction_with_tb for p in points] == pytest.approx(fraction)
    assert [p.mean_score for p in points] == pytest.approx(mean)


def test_brier_is_the_sum_of_its_parts() -> None:
    parts = brier_parts(SCORES, POSITIVE, bins=2)
    assert parts["brier"] == pytest.approx(((SCORES - POSITIVE) ** 2).mean())
    assert parts["uncertainty"] == pytest.approx(0.25)
    assert parts["resolution"] == pytest.approx(0.0625)
    assert parts["miscalibration"] == pytest.approx((0.05**2 + 0.15**2) / 2)
    total = parts["miscalibration"] - parts["resolution"] + parts["uncertainty"] + parts["within_bins"]
    assert total == pytest.approx(parts["brier"])
    one_score_a_bin = brier_parts(np.array([0.2, 0.2, 0.9, 0.9]), np.array([0, 1, 1, 1]) > 0, bins=2)
    assert one_score_a_bin["within_bins"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("truth", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found(truth: float) -> None:
    logits, positive = calibrated(20000)
    fitted = fit_temperature(logits * truth, positive)
    assert fitted.temperature == pytest.approx(truth, rel=0.04)
    assert not fitted.at_limit
    assert fitted.nll_after <= fitted.nll_before
    p = expit(logits * truth)
    assert fitted.nll_before == pytest.approx(-np.log(np.where(positive, p, 1 - p)).mean())
    assert expit(logits * truth / fitted.temperature) == pytest.approx(expit(logits), abs=0.02)


def test_no_better_temperature_is_nearby() -> None:
    logits, positive = calibrated(60)
    fitted = fit_temperature(logits, positive)

    def nll(temperature: float) -> float:
        p = expit(logits / temperature)
        return float(-np.log(np.where(positive, p, 1 - p)).mean())

    assert fitted.nll_after == pytest.approx(nll(fitted.temperature))
    assert fitted.nll_after < min(nll(fitted.temperature * 1.02), nll(fitted.temperature / 1.02))


def test_scores_that_never_err_have_no_best_temperature_and_say_so() -> None:
    fitted = fit_temperature(np.array([-1.0, 1.0]), np.array([False, True]))
    assert fitted.at_limit
    assert fitted.temperature < 0.06
    with pytest.raises(ValueError, match="give both"):
        fit_temperature(np.array([1.0]), np.array([True]))


def test_scores_of_0_and_1_have_finite_logits() -> None:
    assert score_logits(np.array([0.0, 0.5, 1.0])) == pytest.approx([logit(5e-5), 0.0, -logit(5e-5)])


def test_error_of_calibrated_scores_lies_in_the_range_of_chance_and_of_others_does_not() -> None:
    logits, positive = calibrated(400)
    scores = expit(logits)
    chance = error_if_calibrated(scores)
    own = float(calibration_error(count_scores(scores, positive), bin_edges(scores)))
    sure = expit(3 * logits)
    overconfident = float(calibration_error(count_scores(sure, positive), bin_edges(sure)))
    assert 0 < chance.low < own < chance.high
    assert overconfident > error_if_calibrated(sure).high


def test_summary_is_json_and_the_temperature_mends_the_error() -> None:
    import json

    logits, positive = calibrated(500)
    found = calibration_summary(expit(3 * logits), positive, resamples=100)
    json.dumps(found, allow_nan=False)
    before, after = found["expected_calibration_error"]["equal_mass"], found["temperature_scaling"]
    assert after["expected_calibration_error_after"]["value"] < before["value"] / 2
    assert sum(p["n"] for p in found["reliability"]["equal_mass"]) == before["n"] == 500
