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

    def __str__(self) -> str:
        return (
            f"{self.images} images: score change {self.score_change:.4f} (largest {self.largest_score_change:.4f}), "
            f"{self.boxes} boxes: mean IoU {self.box_iou:.3f}"
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
    for (_, a), (_, b) in zip(one, other, strict=True):
        if len(a) and len(b):
            table = torch.as_tensor(box_iou(a, b))
            overlaps += [*table.amax(dim=1).tolist(), *table.amax(dim=0).tolist()]
        else:
            overlaps += [0.0] * (len(a) + len(b))
    return Agreement(
        images=len(changes),
        score_change=float(np.mean(changes)) if changes else 0.0,
        largest_score_change=max(changes, default=0.0),
        boxes=len(overlaps),
        box_iou=float(np.mean(overlaps)) if overlaps else 1.0,
    )
