from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from monai_tbkd.metrics.acquisition import map_disagreement, score_uncertainty


def test_disagreement_by_hand() -> None:
    # cells: 1/4 against 3/4, mean 1/2: 1 - H(1/4); and two that agree
    one, other = np.array([[[0.25, 0.6], [0.0, 1.0]]]), np.array([[[0.75, 0.6], [0.0, 1.0]]])
    entropy = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert map_disagreement(one, other)[0] == pytest.approx((1 - entropy) / 4)


def test_as_scipy_has_it() -> None:
    one, other = np.random.default_rng(0).random((2, 3, 4, 5))
    pairs = [np.stack([x.ravel(), 1 - x.ravel()], axis=-1) for x in (one, other)]
    expected = (jensenshannon(*pairs, base=2, axis=-1) ** 2).reshape(3, -1).mean(axis=1)
    np.testing.assert_allclose(map_disagreement(one, other), expected, atol=1e-12)


def test_from_none_to_all() -> None:
    maps = np.random.default_rng(0).random((2, 3, 3))
    np.testing.assert_allclose(map_disagreement(maps, maps), 0)
    assert map_disagreement(np.zeros((1, 3, 3)), np.ones((1, 3, 3))).tolist() == [1.0]
    np.testing.assert_allclose(map_disagreement(maps, 1 - maps), map_disagreement(1 - maps, maps))


def test_an_image_of_nothing_comes_last() -> None:
    # ten times as probable is no disagreement worth a look where both are far from TB; a lesion that one misses is
    quiet, lesion = np.full((4, 4), 1e-4), np.full((4, 4), 1e-3)
    missed = quiet.copy()
    missed[1:3, 1:3] = 0.8
    values = map_disagreement(np.stack([quiet, quiet]), np.stack([lesion, missed]))
    assert values[1] > 100 * values[0]


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match="expected both"):
        map_disagreement(np.zeros((1, 2, 2)), np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="probabilities"):
        map_disagreement(np.full((1, 2, 2), 1.5), np.zeros((1, 2, 2)))
    with pytest.raises(ValueError, match="probabilities"):
        map_disagreement(np.full((1, 2, 2), np.nan), np.zeros((1, 2, 2)))


def test_uncertainty_by_hand() -> None:
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
