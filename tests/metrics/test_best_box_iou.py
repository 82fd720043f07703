from __future__ import annotations

import pytest
import torch

from monai_tbkd.metrics import BestBoxIoU


def test_by_hand() -> None:
    metric = BestBoxIoU()
    true = [torch.tensor([[0.0, 0, 2, 2], [5, 5, 7, 7]]), torch.zeros(0, 4), torch.tensor([[0.0, 0, 1, 1]])]
    predicted = [torch.tensor([[0.0, 0, 2, 4], [0, 0, 1, 1]]), torch.tensor([[0.0, 0, 9, 9]]), torch.zeros(0, 4)]
    metric(predicted, true)
    assert metric.aggregate().item() == pytest.approx((0.5 + 0.0 + 0.0) / 3)


def test_no_true_box_at_all() -> None:
    metric = BestBoxIoU()
    metric([torch.ones(1, 4)], [torch.zeros(0, 4)])
    assert metric.aggregate().isnan()
