from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_tbkd.metrics.pixel_average_precision import PXAP_THRESHOLDS, PixelAP, pixel_average_precision
from monai_tbkd.metrics.pixel_counts import PixelCounts, pixel_counts


def area_by_pixels(values: np.ndarray, truth: np.ndarray) -> float:
    """Average precision from every distinct value, by its definition."""
    area, recall = 0.0, 0.0
    for t in np.unique(values)[::-1]:
        chosen = values >= t
        precision, now = truth[chosen].mean(), truth[chosen].sum() / truth.sum()
        area, recall = area + precision * (now - recall), now
    return area


def area_by_histogram(maps: np.ndarray, masks: np.ndarray) -> float:
    """As Choe et al. describe their evaluation: two histograms of 1000 bins on 0-1 and their sums from above."""
    edges = np.append(np.arange(0, 1, 0.001), [1.0, 2.0, 3.0])
    inside = np.histogram(maps[masks], edges)[0][::-1].cumsum()
    outside = np.histogram(maps[~masks], edges)[0][::-1].cumsum()
    precision = inside[1:] / np.maximum(inside + outside, 1)[1:]
    return float((precision * np.diff(inside / inside[-1])).sum())


def test_by_hand() -> None:
    maps = np.array([[[0.9, 0.6], [0.6, 0.1]]])
    masks = np.array([[[True, True], [False, False]]])
    counts = pixel_counts(maps, masks, PXAP_THRESHOLDS)
    # half of the recall at precision 1, the other half at 2 of 3
    assert pixel_average_precision(counts)[0] == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_parity_with_two_other_ways() -> None:
    rng = np.random.default_rng(0)
    masks = rng.random((5, 16, 16)) > 0.8
    maps = np.clip(rng.random((5, 16, 16)) * 0.7 + 0.3 * masks, 0, 1).astype(np.float32)
    maps[0, 0, 0], maps[0, 0, 1] = 0.0, 1.0
    fine = pixel_counts(maps, masks, np.unique(maps))
    assert pixel_average_precision(fine)[0] == pytest.approx(area_by_pixels(maps.ravel(), masks.ravel()))
    metric = PixelAP()
    metric(torch.from_numpy(maps[:, None]), torch.from_numpy(masks[:, None]))
    assert metric.aggregate().item() == pytest.approx(area_by_histogram(maps, masks), abs=1e-6)


def test_flat_maps_get_the_share_of_the_boxes() -> None:
    masks = np.zeros((2, 4, 4), bool)
    masks[:, 0] = True
    for value in (0.0, 0.37, 1.0, -5.0):  # the last below every threshold
        counts = pixel_counts(np.full((2, 4, 4), value), masks, PXAP_THRESHOLDS)
        assert pixel_average_precision(counts)[0] == pytest.approx(0.25)


def test_films_without_boxes_take_no_part_in_the_metric() -> None:
    maps, masks = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(3, 1, 4, 4)
    masks[0, 0, :2] = 1
    alone, all_three = PixelAP(), PixelAP()
    alone(maps[:1], masks[:1])
    all_three(maps, masks)
    assert all_three.aggregate() == alone.aggregate()
    none = PixelAP()
    none(maps[1:], masks[1:])
    assert none.aggregate().isnan()


def test_weights_are_repeated_films() -> None:
    rng = np.random.default_rng(0)
    maps, masks = rng.random((6, 5, 5)), rng.random((6, 5, 5)) > 0.6
    counts = pixel_counts(maps, masks, PXAP_THRESHOLDS)
    weights = np.array([[1] * 6, [0, 2, 1, 0, 3, 0]])
    weighted = pixel_average_precision(counts, weights)
    assert weighted[0] == pixel_average_precision(counts)[0]
    repeated = PixelCounts(*(np.repeat(each, weights[1], axis=0) for each in counts))
    assert weighted[1] == pytest.approx(pixel_average_precision(repeated)[0])
