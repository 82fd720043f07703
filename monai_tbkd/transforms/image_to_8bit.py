"""Gray values of any range to 8 bits."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from numpy.typing import NDArray

from monai_tbkd.transforms.plain_tensor import plain_tensor, with_meta_of


class ImageTo8Bit(Transform):
    """Stretch gray values ``(1, H, W)`` between two percentiles to 0-255, uint8; an image of one value becomes 0.

    Args:
        lower: percentile that becomes 0.
        upper: percentile that becomes 255.

    Example:
        >>> ImageTo8Bit(0, 100)(torch.tensor([[[0.0, 4095.0]]]))
        tensor([[[  0, 255]]], dtype=torch.uint8)
    """

    def __init__(self, lower: float = 0.5, upper: float = 99.5) -> None:
        if not 0 <= lower < upper <= 100:
            raise ValueError(f"The percentiles are {lower} and {upper}; expected 0 <= lower < upper <= 100.")
        self.lower, self.upper = float(lower), float(upper)

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        values = np.asarray(plain_tensor(image), dtype=np.float32)
        levels = _whole_levels(values)
        if levels is None:
            low, high = np.percentile(values, (self.lower, self.upper))
            out = torch.from_numpy(_to_8bit(values, low, high, values))
        else:  # an image that was not resized: what becomes of each gray level is found once
            counts = np.bincount(levels.ravel())
            low, high = (_percentile(counts, q) for q in (self.lower, self.upper))
            present = np.flatnonzero(counts)[[0, -1]].astype(np.float32)
            table = _to_8bit(np.arange(len(counts), dtype=np.float32), low, high, present)
            out = torch.from_numpy(table[levels])
        return with_meta_of(image, out)


class ImageTo8Bitd(MapTransform):
    """Dictionary form of :class:`ImageTo8Bit`."""

    def __init__(self, keys: KeysCollection = "image") -> None:
        super().__init__(keys)
        self.to_8bit = ImageTo8Bit()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, **{key: self.to_8bit(data[key]) for key in self.key_iterator(dict(data))}}


def _to_8bit(
    values: NDArray[np.float32], low: np.floating[Any], high: np.floating[Any], image: NDArray[np.float32]
) -> NDArray[np.uint8]:
    if high <= low:  # nearly all of one value: what little there is, is between the extremes
        low, high = np.float64(image.min()), np.float64(image.max())
    scaled = (values - low) / max(float(high - low), 1e-6)
    return np.rint(np.clip(scaled, 0.0, 1.0) * 255.0).astype(np.uint8)


def _whole_levels(values: NDArray[np.float32]) -> NDArray[np.uint16] | None:
    """The image as whole numbers, or None if it has others."""
    if values.size == 0 or not (values.min() >= 0 and values.max() <= 65535):
        return None
    levels = values.astype(np.uint16)
    return levels if np.array_equal(levels, values) else None


def _percentile(counts: NDArray[np.int64], percent: float) -> np.float64:
    """As numpy's, from how often each level occurs."""
    upto = counts.cumsum()
    position = percent / 100 * (upto[-1] - 1)
    first = int(np.floor(position))
    a, b = (int(np.searchsorted(upto, k, side="right")) for k in (first, min(first + 1, int(upto[-1]) - 1)))
    fraction = position - first
    return np.float64(b - (b - a) * (1 - fraction) if fraction >= 0.5 else a + (b - a) * fraction)
