"""How well each true box is met by its best predicted box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from monai.data.box_utils import box_iou
from monai.metrics import CumulativeIterationMetric

from monai_tbkd.metrics.box_overlap import box_array, pairwise_iou

ACCURACY_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)

DEFINITIONS = {
    "best_box_iou": (
        "Mean over true boxes of the IoU with the predicted box that meets it best; a missed box counts 0, false boxes "
        "do not count."
    ),
    "box_accuracy": (
        "Share of true boxes whose best predicted box has an IoU at or above 0.1, 0.2, ... 0.7; false boxes do not "
        "count."
    ),
}


class BestBoxIoU(CumulativeIterationMetric):
    """Mean over true boxes of the IoU with the predicted box that meets it best; a missed box counts 0.

    False boxes do not lower it, so it says little alone; read it beside union-mask IoU.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Sum of best IoUs and number of true boxes of each film.

        Args:
            y_pred: predicted boxes ``(1, n, 4)``, xyxy.
            y: true boxes ``(1, m, 4)``, xyxy, on the same grid.

        Returns:
            ``(1, 2)``: sum over the true boxes of the best IoU; m.
        """
        true, predicted = y[0].float(), y_pred[0].float()
        if len(true) == 0 or len(predicted) == 0:
            return torch.tensor([[0.0, float(len(true))]])
        best = torch.as_tensor(box_iou(true, predicted)).max(dim=1).values
        return torch.stack([best.sum(), torch.tensor(float(len(true)))])[None]

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Mean over true boxes, a scalar; nan where there is none."""
        sums = torch.as_tensor(self.get_buffer()).sum(dim=0)
        return sums[0] / sums[1] if sums[1] > 0 else torch.tensor(torch.nan)


class BoxAccuracy(CumulativeIterationMetric):
    """Share of true boxes whose best predicted box reaches an IoU, for each of several IoUs.

    The accuracy at T(IoU) of the NIH chest X-ray literature (Wang et al., CVPR 2017, https://arxiv.org/abs/1705.02315),
    at or above T. False boxes do not lower it.

    Args:
        levels: the IoUs.

    Example:
        >>> metric = BoxAccuracy(levels=(0.5, 0.7))
        >>> _ = metric([torch.tensor([[0.0, 0, 2, 4]])], [torch.tensor([[0.0, 0, 2, 2]])])
        >>> metric.aggregate().tolist()
        [1.0, 0.0]
    """

    def __init__(self, levels: Sequence[float] = ACCURACY_LEVELS) -> None:
        super().__init__()
        self.levels = tuple(levels)

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """How many true boxes of a film reach each IoU, and how many there are.

        Args:
            y_pred: predicted boxes ``(1, n, 4)``, xyxy.
            y: true boxes ``(1, m, 4)``, xyxy, on the same grid.

        Returns:
            ``(1, levels + 1)``; the last is m.
        """
        best = best_box_ious(y_pred[0].cpu().numpy(), y[0].cpu().numpy())
        return torch.tensor([[*box_hits([best], self.levels)[0].tolist(), float(len(best))]])

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Share of the true boxes at each IoU ``(levels,)``; nan where there is no true box."""
        sums = torch.as_tensor(self.get_buffer()).sum(dim=0)
        return sums[:-1] / sums[-1] if sums[-1] > 0 else torch.full_like(sums[:-1], torch.nan)


def best_box_ious(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """IoU of each true box of a film with the predicted box that meets it best.

    Args:
        predicted: ``(n, 4)``: xmin, ymin, xmax, ymax; half-open edges.
        true: ``(m, 4)``, on the same grid.

    Returns:
        ``(m,)`` float64; 0 where nothing is predicted.

    Raises:
        ValueError: boxes of another shape, with nan, or upside down.
    """
    overlap = pairwise_iou(box_array(true, "true boxes"), box_array(predicted, "predicted boxes"))
    result: np.ndarray = overlap.max(axis=1, initial=0.0)
    return result


def box_hits(best: Sequence[np.ndarray], levels: Sequence[float] = ACCURACY_LEVELS) -> np.ndarray:
    """How many true boxes of each film reach each IoU.

    Over the numbers of true boxes these are the accuracies; ``bootstrap_ratio`` gives their intervals.

    Args:
        best: :func:`best_box_ious` of each film.
        levels: the IoUs.

    Returns:
        ``(N, levels)`` int64.

    Example:
        >>> box_hits([np.array([0.2, 0.6]), np.zeros(0)], (0.1, 0.5))
        array([[2, 1],
               [0, 0]])
    """
    counts = [(np.asarray(film)[:, None] >= np.asarray(levels)).sum(axis=0) for film in best]
    return np.array(counts, dtype=np.int64).reshape(len(best), len(levels))
