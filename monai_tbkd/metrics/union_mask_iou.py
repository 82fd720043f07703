"""Intersection over union of the predicted mask with the union of the true boxes."""

from __future__ import annotations

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric

from monai_tbkd.metrics.pixel_counts import pixel_counts

DEFINITIONS = {
    "union_mask_miou": (
        "IoU of the map's mask (at or above the threshold) with the union of the film's true boxes, mean over TB films "
        "with boxes; a film on which nothing is predicted counts 0."
    ),
    "union_mask_miou_all_films": (
        "The same over all films with known boxes: a film without TB counts 1 if nothing is predicted on it, else 0."
    ),
}


class UnionMaskIoU(CumulativeIterationMetric):
    """Per-film IoU of a predicted mask and the union of the true boxes, averaged over films.

    A film with boxes on which nothing is predicted counts 0. A film without true boxes has no IoU (nan) and takes no
    part in the mean, unless ``all_films``.

    Args:
        all_films: a film without true boxes counts 1 if nothing is predicted on it, else 0. Films whose boxes are
            unknown must then be left out by the caller, as their masks are empty too.

    Example:
        >>> metric = UnionMaskIoU(all_films=True)
        >>> _ = metric(torch.zeros(2, 1, 2, 2), torch.tensor([[[[1, 0], [0, 0]]], [[[0, 0], [0, 0]]]]))
        >>> metric.aggregate()
        tensor(0.5000)
    """

    def __init__(self, all_films: bool = False) -> None:
        super().__init__()
        self.all_films = all_films

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """IoU of each film.

        Args:
            y_pred: predicted masks ``(B, 1, H, W)``, bool or 0/1.
            y: true masks ``(B, 1, H, W)``, bool or 0/1.

        Returns:
            ``(B, 1)``; where the true mask is empty nan or, with ``all_films``, 1 or 0.
        """
        if y_pred.shape != y.shape:
            raise ValueError(f"Predicted masks are {tuple(y_pred.shape)} and true masks {tuple(y.shape)}.")
        p, t = y_pred.bool().flatten(1), y.bool().flatten(1)
        union = (p | t).sum(1).float()
        iou = (p & t).sum(1).float() / union.clamp(min=1)
        empty = (~p.any(1)).float() if self.all_films else torch.full_like(iou, torch.nan)
        return torch.where(t.any(1), iou, empty)[:, None]

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Mean over films, a scalar; nan where none counts."""
        return torch.nanmean(torch.as_tensor(self.get_buffer()))


def union_iou_sweep(
    maps: np.ndarray,
    true_masks: np.ndarray,
    thresholds: np.ndarray,
    without_tb: np.ndarray | None = None,
    drawn: np.ndarray | None = None,
) -> np.ndarray:
    """Union-mask IoU of every film at every threshold, in one pass over the pixels.

    Args:
        maps: ``(N, H, W)`` of 0-1.
        true_masks: ``(N, H, W)`` bool.
        thresholds: ``(K,)``, ascending; a pixel counts at or above it.
        without_tb: ``(N,)`` bool, films known to be without TB: each counts 1 where nothing is predicted, else 0. None
            leaves them out.
        drawn: ``(N,)`` bool, films whose score lets anything be predicted; None: all.

    Returns:
        ``(N, K)``; nan for other films without true boxes.

    Raises:
        ValueError: shapes that do not fit, thresholds that do not ascend, a map with nan, or a film without TB that
            has true boxes.
    """
    true_masks = np.asarray(true_masks, dtype=bool)
    has_boxes = np.array([mask.any() for mask in true_masks], dtype=bool)
    healthy = np.zeros_like(has_boxes) if without_tb is None else np.asarray(without_tb, dtype=bool)
    if (healthy & has_boxes).any():
        raise ValueError(f"{(healthy & has_boxes).sum()} films without TB have true boxes; expected none.")
    counts = pixel_counts(maps, true_masks, thresholds, films=has_boxes | healthy)
    gate = np.ones((len(has_boxes), 1), dtype=bool) if drawn is None else np.asarray(drawn, dtype=bool)[:, None]
    hit, predicted = counts.hit * gate, counts.predicted * gate
    iou = hit / np.maximum(predicted + counts.inside[:, None] - hit, 1)
    result: np.ndarray = np.where(has_boxes[:, None], iou, np.where(healthy[:, None], predicted == 0, np.nan))
    return result
