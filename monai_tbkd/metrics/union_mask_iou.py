"""Intersection over union of the predicted mask with the union of the true boxes."""

from __future__ import annotations

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric


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
