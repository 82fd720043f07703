from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.metrics.acquisition import score_uncertainty


def test_by_hand() -> None:
    np.testing.assert_allclose(score_uncertainty(np.array([0.0, 0.1, 0.2, 0.6, 1.0]), 0.2), [0, 0.5, 1, 0.5, 0])
    np.testing.assert_allclose(score_uncertainty(np.array([0.25, 0.75])), [0.5, 0.5])


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_at_the_end_of_the_scale(threshold: float) -> None:
    values = score_uncertainty(np.array([0.0, 0.5, 1.0]), threshold)
    assert values[int(2 * threshold)] == 1 and values[1] == 0.5 and np.isfinite(values).all()


def test_what_is_no_probability_is_refused() -> None:
    for scores, threshold in ((np.array([1.2]), 0.5), (np.array([np.nan]), 0.5), (np.array([0.5]), 2.0)):
        with pytest.raises(ValueError, match="expected 0 to 1"):
            score_uncertainty(scores, threshold)
