from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data.box_utils import box_iou

from monai_tbkd.metrics.box_overlap import box_array, pairwise_iou


def test_parity_with_monai() -> None:
    rng = np.random.default_rng(0)
    boxes = rng.random((40, 4)).cumsum(axis=1)[:, [0, 1, 2, 3]]
    theirs = box_iou(torch.from_numpy(boxes[:15]), torch.from_numpy(boxes[15:]))
    np.testing.assert_allclose(pairwise_iou(boxes[:15], boxes[15:]), np.asarray(theirs), atol=1e-6)


def test_seven_tenths_are_not_below_0_7() -> None:
    assert pairwise_iou(np.array([[0.0, 0, 10, 1]]), np.array([[0.0, 0, 7, 1]]))[0, 0] >= 0.7


def test_boxes_without_area_or_number() -> None:
    point = np.array([[1.0, 1, 1, 1]])
    assert pairwise_iou(point, point).tolist() == [[0.0]]
    assert pairwise_iou(np.zeros((0, 4)), point).shape == (0, 1)


def test_what_is_no_box_is_refused() -> None:
    assert box_array([]).shape == (0, 4)
    with pytest.raises(ValueError, match="expected xmin, ymin, xmax, ymax"):
        box_array([[5, 0, 2, 2]])
    with pytest.raises(ValueError, match=r"1 of 4 values in boxes are nan"):
        box_array([[np.nan, 0, 2, 2]])
    with pytest.raises(ValueError, match=r"shape \(1, 5\)"):
        box_array([[0, 0, 2, 2, 0.5]])
