from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics.operating_point import choose_score_threshold, youden_threshold


def test_score_threshold_of_a_triage_test() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 0.35, 0.95])
    tb = np.array([False] * 10 + [True] * 2)
    chosen = choose_score_threshold(scores, tb, "specificity_70")
    assert chosen is not None and (scores[~tb] < chosen).mean() == pytest.approx(0.7)
    assert choose_score_threshold(scores, tb) == youden_threshold(scores, tb)
    assert choose_score_threshold(None, tb, "specificity_70") is None
