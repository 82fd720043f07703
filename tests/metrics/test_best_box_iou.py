from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_tbkd.metrics import BestBoxIoU
from monai_tbkd.metrics.best_box_iou import ACCURACY_LEVELS, BoxAccuracy, best_box_ious, box_hits


def test_by_hand() -> None:
    metric = BestBoxIoU()
    true = [torch.tensor([[0.0, 0, 2, 2], [5, 5, 7, 7]]), torch.zeros(0, 4), torch.tensor([[0.0, 0, 1, 1]])]
    predicted = [torch.tensor([[0.0, 0, 2, 4], [0, 0, 1, 1]]), torch.tensor([[0.0, 0, 9, 9]]), torch.zeros(0, 4)]
    metric(predicted, true)
    assert metric.aggregate().item() == pytest.approx((0.5 + 0.0 + 0.0) / 3)


def test_no_true_box_at_all() -> None:
    for metric in (BestBoxIoU(), BoxAccuracy()):
        metric([torch.ones(1, 4)], [torch.zeros(0, 4)])
        assert metric.aggregate().isnan().all()


def test_accuracy_by_hand() -> None:
    # a true box of width 10 met by one of width 1, 2, ... 7: IoU 0.1, 0.2, ... 0.7, each at its own level
    true = [torch.tensor([[0.0, 0, 10, 1]])] * 8
    predicted = [*(torch.tensor([[0.0, 0, w, 1]]) for w in range(1, 8)), torch.zeros(0, 4)]
    metric = BoxAccuracy()
    metric(predicted, true)
    assert metric.aggregate().tolist() == pytest.approx([n / 8 for n in range(7, 0, -1)])


def test_a_loop_over_boxes_gives_the_same() -> None:
    rng = np.random.default_rng(0)

    def boxes(n: int) -> np.ndarray:
        corner = rng.integers(0, 10, (n, 2))
        return np.hstack([corner, corner + rng.integers(1, 8, (n, 2))]).astype(float)

    predicted, true = [boxes(n) for n in (3, 0, 2, 5)], [boxes(n) for n in (2, 1, 0, 4)]
    best = [best_box_ious(p, t) for p, t in zip(predicted, true)]
    expected = np.zeros((4, len(ACCURACY_LEVELS)), dtype=int)
    for i in range(4):
        for j, t in enumerate(true[i]):
            ious = [0.0]
            for p in predicted[i]:
                w = max(0.0, min(t[2], p[2]) - max(t[0], p[0]))
                h = max(0.0, min(t[3], p[3]) - max(t[1], p[1]))
                areas = (t[2] - t[0]) * (t[3] - t[1]) + (p[2] - p[0]) * (p[3] - p[1])
                ious.append(w * h / (areas - w * h))
            assert best[i][j] == pytest.approx(max(ious))
            expected[i] += [max(ious) >= level for level in ACCURACY_LEVELS]
    assert np.array_equal(box_hits(best), expected)


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="predicted boxes are nan"):
        best_box_ious(np.array([[0, 0, np.nan, 1]]), np.array([[0, 0, 1, 1]]))
