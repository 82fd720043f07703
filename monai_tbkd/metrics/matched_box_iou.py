"""How well predicted boxes meet true boxes when each may be used once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from scipy.optimize import linear_sum_assignment

from monai_tbkd.metrics.box_overlap import box_array, pairwise_iou

DENOMINATORS = ("all", "true", "pairs")

DEFINITIONS = {
    "box_matched_miou": (
        "True and predicted boxes of a film are paired one to one so that the sum of IoUs is largest; that sum over "
        "pairs + missed + false boxes, so both faults count 0; boxes of all TB films pooled."
    ),
    "box_matched_miou_true": "The same sum over the number of true boxes: a missed box counts 0, a false one nothing.",
    "box_matched_miou_pairs": "The same sum over the number of pairs alone: neither missed nor false boxes count.",
}


class MatchedBoxes(NamedTuple):
    """What pairing the boxes of one film gave."""

    iou_sum: float
    pairs: int
    """True boxes with a predicted box of their own that overlaps them."""
    missed: int
    false: int

    def denominator(self, kind: str = "all") -> int:
        """What the sum is divided by: ``all`` (pairs, missed and false), ``true`` (pairs and missed) or ``pairs``."""
        if kind not in DENOMINATORS:
            raise ValueError(f"The denominator is {kind!r}; expected one of {DENOMINATORS}.")
        return self.pairs + (self.missed if kind != "pairs" else 0) + (self.false if kind == "all" else 0)


def match_boxes(predicted: np.ndarray, true: np.ndarray) -> MatchedBoxes:
    """Pair the boxes of one film so that the sum of IoUs is largest.

    Args:
        predicted: ``(n, 4)``: xmin, ymin, xmax, ymax; half-open edges.
        true: ``(m, 4)``, on the same grid.

    Raises:
        ValueError: boxes of another shape, with nan, or upside down.

    Example:
        >>> match_boxes(np.array([[0, 0, 2, 4]]), np.array([[0, 0, 2, 2], [0, 2, 2, 3]]))
        MatchedBoxes(iou_sum=0.5, pairs=1, missed=1, false=0)
    """
    overlap = pairwise_iou(box_array(true, "true boxes"), box_array(predicted, "predicted boxes"))
    met = overlap[linear_sum_assignment(overlap, maximize=True)]
    pairs = int((met > 0).sum())
    return MatchedBoxes(float(met.sum()), pairs, overlap.shape[0] - pairs, overlap.shape[1] - pairs)


class MatchedBoxIoU(CumulativeIterationMetric):
    """Sum of the IoUs of boxes paired one to one, over a number of boxes that must be said.

    Publications' "mIoU" of boxes differ in what they divide by: a detector's mean over pairs alone can be high while
    most boxes are missed.

    Args:
        denominator: ``all`` (missed and false boxes count 0), ``true`` (missed boxes count 0) or ``pairs``.

    Raises:
        ValueError: another denominator.

    Example:
        >>> metric = MatchedBoxIoU()
        >>> _ = metric([torch.tensor([[0.0, 0, 2, 4], [7, 7, 8, 8]])], [torch.tensor([[0.0, 0, 2, 2]])])
        >>> metric.aggregate()
        tensor(0.2500)
    """

    def __init__(self, denominator: str = "all") -> None:
        super().__init__()
        MatchedBoxes(0.0, 0, 0, 0).denominator(denominator)
        self.kind = denominator

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Sum and denominator of a film.

        Args:
            y_pred: predicted boxes ``(1, n, 4)``, xyxy.
            y: true boxes ``(1, m, 4)``, xyxy, on the same grid.

        Returns:
            ``(1, 2)``: sum of IoUs; what it is divided by.
        """
        film = match_boxes(y_pred[0].cpu().numpy(), y[0].cpu().numpy())
        return torch.tensor([[film.iou_sum, float(film.denominator(self.kind))]])

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Ratio of the sums over films, a scalar; nan where there is nothing to divide by."""
        sums = torch.as_tensor(self.get_buffer()).sum(dim=0)
        return sums[0] / sums[1] if sums[1] > 0 else torch.tensor(torch.nan)
