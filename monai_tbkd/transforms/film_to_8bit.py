"""Any film's gray values to 8 bits."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform


class FilmTo8Bit(Transform):
    """Stretch a film's gray values between two percentiles to 0-255.

    The same step for every source, so that 8-bit pictures and 12-bit DICOM reach the network alike.

    Args:
        lower: percentile that becomes 0.
        upper: percentile that becomes 255.

    Raises:
        ValueError: percentiles out of order or range.

    Example:
        >>> FilmTo8Bit(0, 100)(torch.tensor([[[0.0, 4095.0]]]))
        tensor([[[  0, 255]]], dtype=torch.uint8)
    """

    def __init__(self, lower: float = 0.5, upper: float = 99.5) -> None:
        if not 0 <= lower < upper <= 100:
            raise ValueError(f"The percentiles are {lower} and {upper}; expected 0 <= lower < upper <= 100.")
        self.lower, self.upper = float(lower), float(upper)

    def __call__(self, film: torch.Tensor) -> torch.Tensor:
        """``(1, H, W)`` of any range to ``(1, H, W)`` uint8. A film of one value becomes 0 throughout."""
        values = np.asarray(film.as_tensor() if isinstance(film, MetaTensor) else film, dtype=np.float32)
        low, high = np.percentile(values, (self.lower, self.upper))
        if high <= low:  # nearly all of one value: what little there is, is between the extremes
            low, high = float(values.min()), float(values.max())
        scaled = (values - low) / max(float(high - low), 1e-6)
        out = torch.from_numpy(np.rint(np.clip(scaled, 0.0, 1.0) * 255.0).astype(np.uint8))
        return MetaTensor(out, meta=film.meta) if isinstance(film, MetaTensor) else out


class FilmTo8Bitd(MapTransform):
    """Dictionary form of :class:`FilmTo8Bit`."""

    def __init__(
        self,
        keys: KeysCollection = "image",
        lower: float = 0.5,
        upper: float = 99.5,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.to_8bit = FilmTo8Bit(lower, upper)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.to_8bit(d[key])
        return d
