from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics.operating_point import choose_score_threshold, choose_threshold

SCORES = np.array([90.0, 80, 70, 20, 85, 60, 50, 30, 20, 10])
POSITIVE = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0]) > 0


def test_score_threshold_of_a_triage_test() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 0.35, 0.95])
    tb = np.array([False] * 10 + [True] * 2)
    chosen = choose_score_threshold(scores, tb, "specificity_70")
    assert chosen is not None and (scores[~tb] < chosen).mean() == pytest.approx(0.7)
    youden = choose_score_threshold(scores, tb)
    assert (youden is not None and 0.9 < youden < 0.95) or youden == pytest.approx(0.325)
    assert choose_score_threshold(scores, np.zeros(12, bool)) == 0.5
    assert choose_score_threshold(np.ones(12), tb, "specificity_70") > 1  # no other threshold has any specificity
    assert choose_score_threshold(None, tb, "specificity_70") is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("sensitivity=0.9", 15.0),  # all four are needed, the lowest at 20
        ("sensitivity=0.75", 65.0),  # three, between 60 and 70
        ("sensitivity=0.5", 75.0),  # 80 and 90 are 2 of 4
        ("specificity=0.7", 65.0),  # 5 of 6, as 4 of 6 are 67 %
        ("specificity=1", 87.5),
        ("youden", 65.0),
    ],
)
def test_targets_by_hand(target: str, expected: float) -> None:
    assert choose_threshold(SCORES, POSITIVE, target) == expected


def test_chosen_thresholds_reach_their_target_and_no_better_one_does() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(200) < 0.3
    scores = np.round(rng.normal(np.where(positive, 60, 40), 15).clip(0, 100), 1)
    for wanted in (0.5, 0.8, 0.9, 0.95, 1.0):
        chosen = choose_threshold(scores, positive, f"sensitivity={wanted}")
        assert (scores[positive] >= chosen).mean() >= wanted
        next_score = scores[scores >= chosen].min()
        assert (scores[positive] > next_score).mean() < wanted
        chosen = choose_threshold(scores, positive, f"specificity={wanted}")
        assert (scores[~positive] < chosen).mean() >= wanted
        below = scores[scores < chosen].max()
        assert (scores[~positive] < below).mean() < wanted


@pytest.mark.parametrize("target", ["sensitivity", "sensitivity=90", "sensitivity=0", "specificity=1.2", "auc=0.9", ""])
def test_a_target_that_is_not_understood(target: str) -> None:
    with pytest.raises(ValueError, match=r"expected sensitivity=0\.9"):
        choose_threshold(SCORES, POSITIVE, target)


def test_what_cannot_be_chosen() -> None:
    with pytest.raises(ValueError, match=r"No threshold reaches specificity=0\.9"):
        choose_threshold(np.array([100.0, 100, 100]), np.array([True, False, False]), "specificity=0.9")
    with pytest.raises(ValueError, match="give both"):
        choose_threshold(SCORES, POSITIVE | True)
