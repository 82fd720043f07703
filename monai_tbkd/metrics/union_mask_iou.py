"""Intersection over union of the predicted mask with the union of the true boxes."""

from __future__ import annotations

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric


def box_masks(boxes: np.ndarray | torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """The union of boxes as a mask.

    Args:
        boxes: ``(n, 4)`` on the grid: xmin, ymin, xmax, ymax; x = column; half-open pixel edges.
        size: (height, width) of the grid.

    Returns:
        ``(height, width)`` bool; a cell belongs to a box when its center does, and every box has at least one cell.

    Example:
        >>> box_masks(np.array([[1, 0, 3, 2]]), (3, 4)).astype(int)
        array([[0, 1, 1, 0],
               [0, 1, 1, 0],
               [0, 0, 0, 0]])
    """
    height, width = size
    mask = np.zeros(size, dtype=bool)
    for x0, y0, x1, y1 in np.asarray(boxes, dtype=float).reshape(-1, 4):
        left, top = min(int(np.ceil(x0 - 0.5)), width - 1), min(int(np.ceil(y0 - 0.5)), height - 1)
        right, bottom = max(int(np.ceil(x1 - 0.5)), left + 1), max(int(np.ceil(y1 - 0.5)), top + 1)
        mask[max(top, 0) : bottom, max(left, 0) : right] = True
    return mask


class UnionMaskIoU(CumulativeIterationMetric):
    """Per-film IoU of a predicted mask and the union of the true boxes, averaged over films that have boxes.

    A film with boxes on which nothing is predicted counts 0. A film without true boxes has no IoU (nan) and takes no
    part in the mean.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """IoU of each film.

        Args:
            y_pred: predicted masks ``(B, 1, H, W)``, bool or 0/1.
            y: true masks ``(B, 1, H, W)``, bool or 0/1.

        Returns:
            ``(B, 1)``, nan where the true mask is empty.
        """
        if y_pred.shape != y.shape:
            raise ValueError(f"Predicted masks are {tuple(y_pred.shape)} and true masks {tuple(y.shape)}.")
        p, t = y_pred.bool().flatten(1), y.bool().flatten(1)
        union = (p | t).sum(1).float()
        iou = (p & t).sum(1).float() / union.clamp(min=1)
        return torch.where(t.any(1), iou, torch.nan)[:, None]

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Mean over films with boxes, a scalar; nan where there is none."""
        return torch.nanmean(torch.as_tensor(self.get_buffer()))


def union_iou_sweep(maps: np.ndarray, true_masks: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Union-mask IoU of every film at every threshold, in one pass over the pixels.

    Args:
        maps: ``(N, H, W)`` of 0-1.
        true_masks: ``(N, H, W)`` bool.
        thresholds: ``(K,)``, ascending; a pixel counts at or above it.

    Returns:
        ``(N, K)``; nan for films without true boxes.
    """
    n, k = len(maps), len(thresholds)
    out = np.full((n, k), np.nan)
    for i in range(n):
        truth = true_masks[i]
        if not truth.any():
            continue
        # A pixel of bin b is at or above the thresholds 0 ... b - 1.
        bins = np.searchsorted(thresholds, maps[i].ravel(), side="right")
        everything = np.bincount(bins, minlength=k + 1)
        inside = np.bincount(bins[truth.ravel()], minlength=k + 1)
        predicted = everything[::-1].cumsum()[::-1][1:]
        hit = inside[::-1].cumsum()[::-1][1:]
        out[i] = hit / np.maximum(predicted + truth.sum() - hit, 1)
    return out
