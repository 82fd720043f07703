from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from monai_tbkd.robustness import mask_iou, rank_correlation, structural_similarity

RNG = np.random.default_rng(0)
MAPS, OTHERS = RNG.random((4, 12, 12)), RNG.random((4, 12, 12))


def test_ranks_are_scipys() -> None:
    ties = OTHERS.round(1)
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(MAPS, ties, strict=True)]
    np.testing.assert_allclose(rank_correlation(MAPS, ties), expected, atol=1e-12)
    assert rank_correlation(MAPS, np.zeros_like(MAPS)).tolist() == [0.0] * 4


def test_similarity_falls_with_noise_and_knows_no_scale() -> None:
    np.testing.assert_allclose(structural_similarity(MAPS, MAPS * 5 - 2), 1.0, atol=1e-5)
    smooth = np.add.outer(np.sin(np.arange(12) / 3), np.cos(np.arange(12) / 4))[None].repeat(4, axis=0)
    noise = [structural_similarity(smooth, smooth + s * MAPS).mean() for s in (0.0, 0.3, 1.0, 5.0)]
    assert noise == sorted(noise, reverse=True)
    assert noise[-1] < 0.5


def test_overlap_by_hand() -> None:
    one, other = np.zeros((3, 2, 2), dtype=bool), np.zeros((3, 2, 2), dtype=bool)
    one[0, 0] = other[0, :, 0] = True  # one cell of three
    one[1, 0, 0] = True
    np.testing.assert_allclose(mask_iou(one, other), [1 / 3, 0.0, np.nan])


def test_maps_of_other_shapes_are_refused() -> None:
    for function in (structural_similarity, rank_correlation):
        with pytest.raises(ValueError, match=r"\(4, 12, 12\) and \(4, 6, 6\); expected both \(films, rows, columns\)"):
            function(MAPS, MAPS[:, :6, :6])
