from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import MeanIoU

from monai_tbkd.metrics import UnionMaskIoU, union_iou_sweep


def test_by_hand_and_films_without_boxes() -> None:
    true = torch.zeros(3, 1, 4, 4, dtype=torch.bool)
    true[0, 0, :2, :2] = True
    true[1, 0, 3, 3] = True
    predicted = torch.zeros_like(true)
    predicted[0, 0, :2, 1:3] = True
    predicted[2] = True  # a film without boxes takes no part
    metric = UnionMaskIoU()
    each = metric(predicted, true)
    assert each[:2, 0].tolist() == pytest.approx([2 / 6, 0.0])
    assert each[2].isnan()
    assert metric.aggregate().item() == pytest.approx(1 / 6)


def test_parity_with_monai_mean_iou() -> None:
    g = torch.Generator().manual_seed(0)
    predicted, true = torch.rand(6, 1, 16, 16, generator=g) > 0.5, torch.rand(6, 1, 16, 16, generator=g) > 0.7
    own, oracle = UnionMaskIoU(), MeanIoU()
    own(predicted, true)
    oracle(predicted.float(), true.float())
    torch.testing.assert_close(own.aggregate(), oracle.aggregate()[0])


def test_sweep_equals_one_threshold_at_a_time() -> None:
    rng = np.random.default_rng(0)
    maps, true = rng.random((5, 12, 12)).round(1), rng.random((5, 12, 12)) > 0.8
    true[3] = False
    thresholds = np.array([0.1, 0.3, 0.30001, 0.9, 1.0])
    swept = union_iou_sweep(maps, true, thresholds)
    assert np.isnan(swept[3]).all()
    for k, t in enumerate(thresholds):
        for i in (0, 1, 2, 4):
            mask = maps[i] >= t
            assert swept[i, k] == pytest.approx((mask & true[i]).sum() / (mask | true[i]).sum())


def test_all_films_by_hand() -> None:
    true = torch.zeros(4, 1, 2, 2)
    true[0, 0, 0, 0] = 1
    predicted = torch.zeros(4, 1, 2, 2)
    predicted[0, 0, 0] = 1  # half of it right
    predicted[1] = 1  # drawn on a film without TB
    metric = UnionMaskIoU(all_films=True)
    assert metric(predicted, true)[:, 0].tolist() == [0.5, 0.0, 1.0, 1.0]
    assert metric.aggregate().item() == pytest.approx(2.5 / 4)


def test_sweep_over_all_films_equals_the_metric() -> None:
    rng = np.random.default_rng(0)
    maps, true = rng.random((6, 8, 8)).astype(np.float32), rng.random((6, 8, 8)) > 0.6
    true[3:] = False
    maps[4] *= 0.3
    without_tb = np.array([False, False, False, True, True, False])  # the last: boxes unknown
    thresholds = np.array([0.2, 0.35, 0.999])
    swept = union_iou_sweep(maps, true, thresholds, without_tb)
    assert np.isnan(swept[5]).all()
    for k, t in enumerate(thresholds):
        metric = UnionMaskIoU(all_films=True)
        metric(torch.from_numpy(maps[:5, None] >= t), torch.from_numpy(true[:5, None]))
        assert swept[:5, k].mean() == pytest.approx(metric.aggregate().item())
    assert swept[4].tolist() == [0.0, 1.0, 1.0]


def test_a_film_that_is_not_drawn_on_is_empty() -> None:
    maps, true = np.ones((2, 2, 2)), np.zeros((2, 2, 2), bool)
    true[0] = True
    gated = union_iou_sweep(maps, true, np.array([0.5]), np.array([False, True]), drawn=np.array([False, False]))
    assert gated.tolist() == [[0.0], [1.0]]


def test_sweep_refuses_nan_and_contradictions() -> None:
    true = np.ones((1, 2, 2), bool)
    with pytest.raises(ValueError, match="nan or infinite"):
        union_iou_sweep(np.full((1, 2, 2), np.nan), true, np.array([0.5]))
    with pytest.raises(ValueError, match="1 films without TB have true boxes"):
        union_iou_sweep(np.ones((1, 2, 2)), true, np.array([0.5]), np.array([True]))
