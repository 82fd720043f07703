from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_tbkd.metrics.map_processing import choose_processing, log_odds, place_cells, process
from monai_tbkd.metrics.union_mask_iou import union_iou_sweep
from monai_tbkd.transforms import MapToTBProbability


@pytest.mark.parametrize(("pixels", "stride", "cells"), [(64, 16, 16), (96, 16, 24), (72, 8, 18), (70, 16, 10)])
def test_cells_are_placed_as_in_the_bundle(pixels: int, stride: int, cells: int) -> None:
    number = -(-pixels // stride)
    maps = torch.randn(2, number, number, generator=torch.Generator().manual_seed(0))
    placed = place_cells(maps, stride, pixels, cells)
    place = MapToTBProbability(stride, (pixels, pixels), cell=pixels // cells)
    expected = torch.cat([place(one[None]) for one in maps])
    assert expected.shape[-1] == cells
    torch.testing.assert_close(torch.from_numpy(placed).sigmoid(), expected)


def test_placement_by_hand() -> None:
    # cells at pixels 0 and 2; four pixels at 0, half, one, and beyond the last cell
    maps = torch.tensor([[[0.0, 4.0], [0.0, 4.0]]])
    assert place_cells(maps, 2, 4, 4)[0].tolist() == [[0.0, 2.0, 4.0, 4.0]] * 4


def test_process_by_hand() -> None:
    maps = np.zeros((2, 9, 9), dtype=np.float32)
    maps[0, 4, 4], prior = 1.0, np.full((9, 9), 0.25, dtype=np.float32)
    np.testing.assert_array_equal(process(maps, prior, 0.0, 2.0, False), 2 * maps)
    np.testing.assert_array_equal(process(maps, prior, 0.0, 2.0, True), 2 * maps + 0.25)
    smooth = process(maps, prior, 1.0, 1.0, False)
    np.testing.assert_allclose(smooth[0], ndimage.gaussian_filter(maps[0], 1.0, mode="nearest"), atol=1e-7)
    assert (smooth[1] == 0).all()  # films are not smoothed into each other
    np.testing.assert_array_equal(process(maps, np.stack([prior, 2 * prior]), 0.0, 1.0, True)[1], 2 * prior)


def test_log_odds_by_hand() -> None:
    np.testing.assert_allclose(log_odds(np.array([0.5, 0.75, 0.0, 1.0])), [0, np.log(3), np.log(1 / 999), np.log(999)])


def test_a_planted_threshold_is_found() -> None:
    masks = np.zeros((3, 20, 20), dtype=bool)
    masks[0, 2:8, 2:8] = masks[1, 8:14, 2:8] = masks[2, 4:10, 12:18] = True
    rng = np.random.default_rng(0)
    maps = (np.where(masks, 3.0, 1.0) + rng.uniform(-0.5, 0.5, masks.shape)).astype(np.float32)
    chosen = choose_processing(
        maps, np.zeros((20, 20), np.float32), lambda m, t: union_iou_sweep(m, masks, t).mean(axis=0), [0.0, 3.0], [1.0]
    )
    assert chosen.smoothing == 0.0
    assert chosen.prior is False  # of equals the first
    assert 1.5 < chosen.threshold <= 3.5
    # the best there is: thresholds are quantiles, so some cells of the boxes may stay below
    assert union_iou_sweep(maps, masks, np.array([chosen.threshold])).mean() > 0.9


def test_planted_prior_factor_and_smoothing_are_found() -> None:
    # The quality of what is tried is told by its largest value: 2 * 3 + 5 of the steps below is best.
    maps = np.zeros((1, 8, 8), dtype=np.float32)
    maps[0, 3, 3], prior = 3.0, np.full((8, 8), 5.0, dtype=np.float32)

    def quality(tried: np.ndarray, steps: np.ndarray) -> np.ndarray:
        return -np.abs(float(tried.max()) - 11.0) / 100 - 0.001 * np.abs(steps - np.median(steps))

    chosen = choose_processing(maps, prior, lambda m, t: 1 + quality(m, t), [1.0, 0.0], [0.5, 1.0, 2.0, 4.0])
    assert (chosen.smoothing, chosen.factor, chosen.prior) == (0.0, 2.0, True)
