"""Agreement of two runtimes' scores and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from monai.data.box_utils import box_iou

Image = tuple[float, torch.Tensor]


class Agreement(NamedTuple):
    """Of images that went through both."""

    images: int
    score_change: float
    """Mean absolute change of the score, 0-1."""
    largest_score_change: float
    boxes: int
    """Boxes of both, on images where there are any."""
    box_iou: float
    """Mean, over the boxes of both, of the IoU with the best box of the other; a box without a partner counts 0."""
    mask_iou: float
    """Mean over images with a box of the IoU of the unions of boxes."""

    def __str__(self) -> str:
        return (
            f"{self.images} images: score change {self.score_change:.4f} (largest {self.largest_score_change:.4f}), "
            f"{self.boxes} boxes: mean IoU {self.box_iou:.3f}; union of boxes an image: IoU {self.mask_iou:.3f}"
        )


def agreement(one: Sequence[Image], other: Sequence[Image]) -> Agreement:
    """Compare two runtimes image by image.

    Args:
        one: a score of 0-1 and boxes ``(n, 4)`` (xmin, ymin, xmax, ymax; half-open) of each image.
        other: the same images.

    Example:
        >>> image = (0.5, torch.tensor([[0.0, 0.0, 4.0, 4.0]]))
        >>> agreement([image], [image]).box_iou
        1.0
    """
    changes = [abs(a - b) for (a, _), (b, _) in zip(one, other, strict=True)]
    overlaps: list[float] = []
    masks: list[float] = []
    for a, b in ((a, b) for (_, a), (_, b) in zip(one, other, strict=True) if len(a) or len(b)):
        if len(a) and len(b):
            table = torch.as_tensor(box_iou(a, b))
            overlaps += [*table.amax(dim=1).tolist(), *table.amax(dim=0).tolist()]
            masks.append(_union_iou(a.numpy(), b.numpy()))
        else:
            overlaps += [0.0] * (len(a) + len(b))
            masks.append(0.0)
    return Agreement(
        images=len(changes),
        score_change=float(np.mean(changes)) if changes else 0.0,
        largest_score_change=max(changes, default=0.0),
        boxes=len(overlaps),
        box_iou=float(np.mean(overlaps)) if overlaps else 1.0,
        mask_iou=float(np.mean(masks)) if masks else 1.0,
    )


def _union_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the IoU of two unions of boxes exactly, on the grid of all edges."""
    xs, ys = (np.unique(np.concatenate([a[:, [k, k + 2]].ravel(), b[:, [k, k + 2]].ravel()])) for k in (0, 1))
    area = np.diff(ys)[:, None] * np.diff(xs)[None]
    inside = [np.zeros(area.shape, dtype=bool) for _ in range(2)]
    for mask, boxes in zip(inside, (a, b)):
        for x0, y0, x1, y1 in boxes:
            mask[(ys[:-1] >= y0) & (ys[:-1] < y1)] |= (xs[:-1] >= x0) & (xs[:-1] < x1)
    union = float(area[inside[0] | inside[1]].sum())
    return float(area[inside[0] & inside[1]].sum()) / union if union else 1.0
