"""From a map to a mask: the threshold."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform

from monai_tbkd.data.files.number_range import is_number
from monai_tbkd.transforms.plain_tensor import plain_tensor

THRESHOLD_MODES = ("absolute", "relative")


def upsample_map(tb_map: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bring a map ``(1, h, w)`` to a grid of ``size`` (height, width), bilinear, edge to edge."""
    return F.interpolate(plain_tensor(tb_map)[None].float(), size=size, mode="bilinear", align_corners=False)[0]


def stretch_map(values: torch.Tensor) -> torch.Tensor:
    """Stretch maps ``(..., H, W)`` one by one to 0-1; a flat map becomes 0."""
    low, high = values.amin(dim=(-2, -1), keepdim=True), values.amax(dim=(-2, -1), keepdim=True)
    return (values - low) / torch.where(high > low, high - low, torch.inf)


class MapToMask(Transform):
    """Threshold a map ``(1, h, w)`` of 0-1 on a given grid; returns a mask ``(1, *size)``, bool.

    Args:
        size: (height, width) of the grid, in pixels; the map is brought to it first.
        threshold: cells at or above it count. ``absolute``: a probability of 0-1. ``relative``: a fraction of 0-1 of
            the way from the map's smallest to its largest value.
        mode: ``absolute`` or ``relative``.

    Raises:
        ValueError: an unknown mode, or a threshold out of range.
    """

    def __init__(self, size: tuple[int, int], threshold: float = 0.5, mode: str = "absolute") -> None:
        if mode not in THRESHOLD_MODES:
            raise ValueError(f"mode is {mode!r}; expected one of {THRESHOLD_MODES}.")
        if not is_number(threshold, 0, 1):
            raise ValueError(f"threshold is {threshold!r}; expected 0 to 1.")
        if not all(is_number(side, 1, 2**15) for side in size):
            raise ValueError(f"The grid is {tuple(size)}; expected (height, width) of at least 1.")
        self.size = (int(size[0]), int(size[1]))
        self.threshold, self.mode = float(threshold), mode

    def __call__(self, tb_map: torch.Tensor) -> torch.Tensor:
        return self.mask_of(upsample_map(tb_map, self.size))

    def mask_of(self, values: torch.Tensor) -> torch.Tensor:
        """Mask of a map that is on the grid already."""
        if self.mode == "absolute":
            return values >= self.threshold
        stretched = stretch_map(values)
        return (stretched >= self.threshold) & (stretched.amax(dim=(-2, -1), keepdim=True) > 0)


class MapToMaskd(MapTransform):
    """Dictionary form of :class:`MapToMask`: reads the map at ``keys``, writes the mask at ``tb_mask``."""

    def __init__(
        self,
        size: tuple[int, int],
        keys: KeysCollection = "tb_map",
        threshold: float = 0.5,
        mode: str = "absolute",
    ) -> None:
        super().__init__(keys)
        self.to_mask = MapToMask(size, threshold, mode)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, "tb_mask": self.to_mask(data[self.keys[0]])}
