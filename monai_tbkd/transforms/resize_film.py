"""A film to the network's size."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform


class ResizeFilm(Transform):
    """Resize a film, averaging over the pixels that meet in one (bilinear, anti-aliased as in Pillow).

    MONAI's ``Resize`` with ``anti_aliasing`` smooths the full-size film first, with zeros beyond its edge: bright edges
    are darkened, which a stretch of gray values then spreads over the film, and a film of 2000 x 2000 pixels takes 58
    times as long (``benchmarks/reading.py``).

    Args:
        size: (height, width) in pixels. Proportions are not kept: boxes go back by size alone.

    Raises:
        ValueError: a side below 1.

    Example:
        >>> ResizeFilm((1, 2))(torch.tensor([[[0.0, 2.0, 4.0, 6.0]]]))
        tensor([[[1.3333, 4.6667]]])
    """

    def __init__(self, size: Sequence[int]) -> None:
        height, width = (int(side) for side in size)
        if min(height, width) < 1:
            raise ValueError(f"The size is {tuple(size)}; expected (height, width) of at least 1.")
        self.size = (height, width)

    def __call__(self, film: torch.Tensor) -> torch.Tensor:
        """``(C, H, W)`` of any type to ``(C, height, width)`` float32."""
        values = (film.as_tensor() if isinstance(film, MetaTensor) else film).float()
        if values.shape[-2:] != self.size:
            values = F.interpolate(values[None], size=self.size, mode="bilinear", antialias=True)[0]
        return MetaTensor(values, meta=film.meta) if isinstance(film, MetaTensor) else values


class ResizeFilmd(MapTransform):
    """Dictionary form of :class:`ResizeFilm`."""

    def __init__(self, size: Sequence[int], keys: KeysCollection = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.resize = ResizeFilm(size)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.resize(d[key])
        return d
