"""The union of a film's true boxes as a mask that collates."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform


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


def film_box_mask(item: Mapping[Any, Any], grid: int) -> np.ndarray:
    """The union mask of a datalist item's boxes on a square grid, ``(grid, grid)`` bool.

    Args:
        item: with ``boxes`` in film pixels and ``size`` [height, width].
        grid: cells along each side.
    """
    height, width = item["size"]
    boxes = np.asarray(item["boxes"] or [], dtype=float).reshape(-1, 4)
    return box_masks(boxes * np.array([grid / width, grid / height] * 2), (grid, grid))


class BoxMaskd(Transform):
    """Replace an item's ``boxes`` and ``size`` by their union mask.

    Boxes are lists of different length, which do not collate; a mask of fixed size does. For evaluation alone.

    Args:
        grid: cells along each side of the mask.
        mask_key: gets the mask, ``(1, grid, grid)`` uint8; empty where a film has no boxes or they are unknown.
    """

    def __init__(self, grid: int, mask_key: str = "box_mask") -> None:
        self.grid, self.mask_key = int(grid), mask_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        d[self.mask_key] = torch.from_numpy(film_box_mask(d, self.grid))[None].to(torch.uint8)
        for key in ("boxes", "size"):
            d.pop(key)
        return d
