from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from monai_tbkd.metrics.box_overlap import pairwise_iou
from monai_tbkd.metrics.matched_box_iou import MatchedBoxIoU, match_boxes


def test_a_box_is_used_once() -> None:
    true = np.array([[0, 0, 2, 2], [2, 0, 4, 2], [8, 8, 9, 9]])
    one = match_boxes(np.array([[0, 0, 4, 2]]), true)  # meets two true boxes, each with IoU 0.5
    assert one == (0.5, 1, 2, 0)
    assert [one.denominator(kind) for kind in ("all", "true", "pairs")] == [3, 3, 1]


def test_the_denominators_by_hand() -> None:
    predicted = [torch.tensor([[0.0, 0, 2, 4], [7, 7, 8, 8], [5, 0, 6, 1]]), torch.ones(1, 4)]
    true = [torch.tensor([[0.0, 0, 2, 2], [20, 20, 21, 21]]), torch.zeros(0, 4)]
    values = {}
    for kind in ("all", "true", "pairs"):
        metric = MatchedBoxIoU(kind)
        metric(predicted, true)
        values[kind] = metric.aggregate().item()
    # one pair of IoU 0.5, one true box missed, three boxes false
    assert values == {"all": pytest.approx(0.5 / 5), "true": 0.25, "pairs": 0.5}


def test_best_pairing_of_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        corners = rng.integers(0, 5, (7, 2))
        boxes = np.hstack([corners, corners + rng.integers(1, 6, (7, 2))]).astype(float)
        predicted, true = boxes[:4], boxes[4:]
        overlap = pairwise_iou(true, predicted)
        best = max(sum(overlap[j, c] for j, c in enumerate(columns)) for columns in permutations(range(4), 3))
        assert match_boxes(predicted, true).iou_sum == pytest.approx(best)


def test_nothing_at_all_and_unknown_denominators() -> None:
    metric = MatchedBoxIoU()
    metric([torch.zeros(0, 4)], [torch.zeros(0, 4)])
    assert metric.aggregate().isnan()
    with pytest.raises(ValueError, match="'films'"):
        MatchedBoxIoU("films")
