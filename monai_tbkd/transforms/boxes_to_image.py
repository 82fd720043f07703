"""Boxes from one grid to another that shows the same image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform


def rescale_boxes(boxes: torch.Tensor, from_size: Sequence[int], to_size: Sequence[int]) -> torch.Tensor:
    """Scale boxes by the sizes of two grids, edge to edge, and clip them to the new one.

    Args:
        boxes: ``(n, 4)``: xmin, ymin, xmax, ymax; x = column; half-open pixel edges.
        from_size: (height, width) of their grid, above 0.
        to_size: (height, width) of the new grid, above 0.

    Returns:
        ``(n, 4)`` float32.

    Example:
        >>> rescale_boxes(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), (4, 4), (8, 40))
        tensor([[10.,  4., 30.,  8.]])
    """
    (from_h, from_w), (to_h, to_w) = from_size, to_size
    if min(from_h, from_w, to_h, to_w) <= 0:
        raise ValueError(f"Sizes are {tuple(from_size)} and {tuple(to_size)}; expected (height, width) above 0.")
    scale = torch.tensor([to_w / from_w, to_h / from_h] * 2, dtype=torch.float64)
    edge = torch.tensor([to_w, to_h] * 2, dtype=torch.float64)
    scaled = boxes.reshape(-1, 4).double().cpu() * scale
    return torch.minimum(scaled.clamp(min=0), edge).float()


class BoxesToImaged(MapTransform):
    """Bring boxes ``(n, 4)`` from the network's grid into the pixels of the original image; none where it has no size.

    Args:
        grid_size: (height, width) of the grid.
        keys: of the boxes.
        size_key: key of the original image's (height, width).
        position_key: key of the grid's position on the image, xmin, ymin, xmax, ymax in fractions of width and height;
            None, or an item without it: the grid spans the image.
    """

    def __init__(
        self,
        grid_size: tuple[int, int],
        keys: KeysCollection = "pred_boxes",
        size_key: str = "original_size",
        position_key: str | None = None,
    ) -> None:
        super().__init__(keys)
        self.grid_size = (int(grid_size[0]), int(grid_size[1]))
        self.size_key, self.position_key = size_key, position_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        height, width = (int(v) for v in d[self.size_key])
        position = d.get(self.position_key, (0, 0, 1, 1))
        x0, y0, x1, y1 = (round(float(v) * side) for v, side in zip(position, (width, height) * 2, strict=True))
        for key in self.key_iterator(d):
            if height == 0 and width == 0:  # refused
                d[key] = torch.zeros((0, 4))
            else:
                d[key] = rescale_boxes(d[key], self.grid_size, (y1 - y0, x1 - x0)) + torch.tensor([x0, y0] * 2)
        return d
