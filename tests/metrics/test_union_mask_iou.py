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
