"""Boxes from the network's grid to the film's pixels, and back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform


def rescale_boxes(boxes: torch.Tensor, from_size: Sequence[int], to_size: Sequence[int]) -> torch.Tensor:
    """Boxes on one grid as boxes on another that shows the same film.

    The way is by size alone, as a resize goes, edge to edge; no affine takes part.

    Args:
        boxes: ``(n, 4)``: xmin, ymin, xmax, ymax; x = column; half-open pixel edges.
        from_size: (height, width) of their grid.
        to_size: (height, width) of the new grid.

    Returns:
        ``(n, 4)`` float32, clipped to the new grid.

    Raises:
        ValueError: a size of 0 or below.

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


class BoxesToFilm(Transform):
    """Bring boxes from the network's grid into the pixels of the original film.

    Args:
        grid_size: (height, width) of the grid.

    Example:
        >>> BoxesToFilm((256, 256))(torch.tensor([[0.0, 128.0, 256.0, 192.0]]), (1000, 500))
        tensor([[  0., 500., 500., 750.]])
    """

    def __init__(self, grid_size: tuple[int, int]) -> None:
        self.grid_size = (int(grid_size[0]), int(grid_size[1]))

    def __call__(
        self, boxes: torch.Tensor, film_size: Sequence[int], place: Sequence[float] | torch.Tensor = (0, 0, 1, 1)
    ) -> torch.Tensor:
        """Boxes on the grid as boxes on the film.

        Args:
            boxes: ``(n, 4)``.
            film_size: (height, width).
            place: of the grid, xmin, ymin, xmax, ymax in shares of the film's width and height.

        Returns:
            ``(n, 4)``; none where a refused film has no size.
        """
        height, width = (int(v) for v in film_size)
        if height == 0 and width == 0:
            return torch.zeros((0, 4))
        x0, y0, x1, y1 = (round(float(v) * side) for v, side in zip(place, (width, height) * 2, strict=True))
        return rescale_boxes(boxes, self.grid_size, (y1 - y0, x1 - x0)) + torch.tensor([x0, y0] * 2)


class BoxesToFilmd(MapTransform):
    """Dictionary form of :class:`BoxesToFilm`.

    Args:
        keys: boxes ``(n, 4)`` on the network's grid.
        grid_size: (height, width) of the network's grid.
        size_key: where the original film's (height, width) stands.
        place_key: where the place of the grid on the film stands; None, or a film without one: it spans the film.
    """

    def __init__(
        self,
        grid_size: tuple[int, int],
        keys: KeysCollection = "pred_boxes",
        size_key: str = "original_size",
        place_key: str | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.to_film = BoxesToFilm(grid_size)
        self.size_key, self.place_key = size_key, place_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.to_film(d[key], d[self.size_key], d.get(self.place_key, (0, 0, 1, 1)))
        return d
