from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from monai_tbkd.metrics.image_level import (
    IMAGE_LEVEL,
    count_scores,
    image_level_metrics,
    roc_auc,
    sensitivity_at_specificity,
    specificity_at_sensitivity,
    weighted_image_level,
)

# 10 images; above 0.65: 3 of 4 TB and 1 of 6 others
SCORES = np.array([0.9, 0.8, 0.7, 0.2, 0.85, 0.6, 0.5, 0.3, 0.2, 0.1])
POSITIVE = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0]) > 0


def example(n: int = 150) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    positive = rng.random(n) < 0.3
    return np.round(1 / (1 + np.exp(-rng.normal(np.where(positive, 1, -1), 1.5))), 1), positive


def naive(name: str, scores: np.ndarray, positive: np.ndarray) -> float:
    """Straight from the definitions, image by image."""
    tb, rest = scores[positive], scores[~positive]
    edges = [*np.unique(scores), np.inf]
    if name == "auc":
        return float(np.mean([(a > b) + 0.5 * (a == b) for a in tb for b in rest]))
    if name == "pr_auc":
        area, before = 0.0, 0.0
        for edge in edges[-2::-1]:
            recall = float((tb >= edge).mean())
            area += (recall - before) * (tb >= edge).sum() / (scores >= edge).sum()
            before = recall
        return area
    if name == "sensitivity_at_specificity_70":
        return max(float((tb >= e).mean()) for e in edges if (rest < e).mean() >= 0.7)
    if name == "specificity_at_sensitivity_90":
        return max(float((rest < e).mean()) for e in edges if (tb >= e).mean() >= 0.9)
    return float(np.mean((scores - positive) ** 2))


def test_ten_images_by_hand() -> None:
    found = {name: float(metric(count_scores(SCORES, POSITIVE))) for name, metric in IMAGE_LEVEL.items()}
    # of 24 pairs the TB images win 6, 5, 5 and 1.5
    assert found["auc"] == pytest.approx(17.5 / 24)
    # the TB images are found at precisions 1/1, 2/3, 3/4 and 4/9 (the last one tied with an image without TB)
    assert found["pr_auc"] == pytest.approx((1 + 2 / 3 + 3 / 4 + 4 / 9) / 4)
    assert found["sensitivity_at_specificity_70"] == 0.75  # 1 of 6 false: 83 %; 2 of 6 false would be 67 %
    assert found["specificity_at_sensitivity_90"] == pytest.approx(1 / 6)  # all 4 are needed
    assert found["brier"] == pytest.approx((0.01 + 0.04 + 0.09 + 0.64 + 0.7225 + 0.36 + 0.25 + 0.09 + 0.04 + 0.01) / 10)


def test_a_target_that_is_met_exactly_counts() -> None:
    counts = count_scores(np.arange(10.0), np.arange(10) >= 0)
    assert np.isnan(specificity_at_sensitivity(counts))  # one class only
    scores, positive = np.concatenate([np.arange(10.0), np.full(10, 0.5)]), np.repeat([True, False], 10)
    # 9 of 10 TB images lie above 0.5, and so does no other image
    assert specificity_at_sensitivity(count_scores(scores, positive)) == 1.0
    assert sensitivity_at_specificity(count_scores(scores, positive), 1.0) == 0.9
    assert specificity_at_sensitivity(count_scores(scores, positive), 0.91) == 0.0


@pytest.mark.parametrize("name", IMAGE_LEVEL)
def test_weights_are_repeats_of_images(name: str) -> None:
    scores, positive = example()
    weights = np.random.default_rng(0).multinomial(150, np.full(150, 1 / 150), size=20)
    found = weighted_image_level(name, scores, positive)(weights)
    for row, value in zip(weights, found):
        images = np.repeat(np.arange(150), row)
        assert value == pytest.approx(naive(name, scores[images], positive[images]))


def test_parity_with_scikit_learn() -> None:
    scores, positive = example()
    counts = count_scores(scores, positive)
    assert IMAGE_LEVEL["auc"](counts) == pytest.approx(metrics.roc_auc_score(positive, scores))
    assert IMAGE_LEVEL["pr_auc"](counts) == pytest.approx(metrics.average_precision_score(positive, scores))
    assert IMAGE_LEVEL["brier"](counts) == pytest.approx(metrics.brier_score_loss(positive, scores))


def test_intervals_hold_the_value_and_narrow_with_more_images() -> None:
    small, large = image_level_metrics(*example(100)), image_level_metrics(*example(1600))
    for name in IMAGE_LEVEL:
        assert large[name].low < large[name].value < large[name].high
        assert large[name].high - large[name].low < 0.5 * (small[name].high - small[name].low)
        assert (small[name].n, large[name].n) == (100, 1600)


def test_interval_agrees_with_a_bootstrap_by_index() -> None:
    scores, positive = example(400)
    fast = image_level_metrics(scores, positive)["auc"]
    index = np.random.default_rng(9).integers(0, 400, (500, 400))
    slow = np.quantile([float(roc_auc(count_scores(scores[i], positive[i]))) for i in index], [0.025, 0.975])
    assert (fast.low, fast.high) == pytest.approx(slow, abs=0.02)


def test_patients_widen_the_interval() -> None:
    scores, positive = (np.repeat(each, 4) for each in example(100))
    images = image_level_metrics(scores, positive)["auc"]
    patients = image_level_metrics(scores, positive, groups=np.repeat(np.arange(100), 4).tolist())["auc"]
    assert patients.high - patients.low > 1.7 * (images.high - images.low)


def test_what_is_no_score_is_refused() -> None:
    with pytest.raises(ValueError, match="expected probabilities of 0-1"):
        image_level_metrics(np.array([10.0, 60.0]), np.array([False, True]))
    with pytest.raises(ValueError, match="1 scores are not finite"):
        count_scores(np.array([np.nan, 0.5]), np.array([False, True]))
    with pytest.raises(ValueError, match=r"shape \(2,\) and labels of shape \(3,\)"):
        count_scores(np.zeros(2), np.zeros(3))
