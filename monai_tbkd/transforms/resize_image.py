"""An image to the network's size."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from scipy.sparse import csr_array
from scipy.special import erf

from monai_tbkd.data.files.number_range import is_number
from monai_tbkd.transforms.plain_tensor import plain_tensor, with_meta_of

_TRUNCATED = 4.0
"""Where the smoothing ends, in standard deviations (MONAI's)."""


class ResizeImage(Transform):
    """Resize an image ``(C, H, W)``, to float32: bilinear, after Gaussian smoothing against aliasing.

    Within the image this is MONAI's ``Resize`` with ``anti_aliasing``, which takes zeros beyond the image and so
    darkens bright edges. Here weights sum to 1 at the edges, and only what is needed is computed
    (``benchmarks/reading.py``).

    Args:
        size: (height, width) in pixels. Proportions are not kept.
    """

    def __init__(self, size: Sequence[int]) -> None:
        if len(size) != 2 or not all(is_number(side, 1, 2**15) for side in size):
            raise ValueError(f"The size is {tuple(size)}; expected (height, width) of at least 1 and at most {2**15}.")
        self.size = (int(size[0]), int(size[1]))

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        values = np.asarray(plain_tensor(image), dtype=np.float32)
        if values.shape[-2:] != self.size:
            rows, columns = (resampling_weights(n, m) for n, m in zip(values.shape[-2:], self.size))
            values = np.stack([np.ascontiguousarray((columns @ (rows @ channel).T).T) for channel in values])
        return with_meta_of(image, torch.from_numpy(values))


class ResizeImaged(MapTransform):
    """Dictionary form of :class:`ResizeImage`."""

    def __init__(self, size: Sequence[int], keys: KeysCollection = "image") -> None:
        super().__init__(keys)
        self.resize = ResizeImage(size)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, **{key: self.resize(data[key]) for key in self.key_iterator(dict(data))}}


@lru_cache(maxsize=64)
def resampling_weights(length: int, new_length: int) -> csr_array:
    """Weights of a row's ``length`` pixels in each new one, ``(new_length, length)``, sparse float32; rows sum to 1."""
    sigma = max(0.0, (length / new_length - 1) / 2)
    tail = int(max(sigma * _TRUNCATED, 0.5) + 0.5) if sigma else 0
    offsets = np.arange(-tail, tail + 1)
    # the fraction of a Gaussian that falls on each pixel
    edges = (np.arange(-tail, tail + 2) - 0.5) / (sigma * 2**0.5) if sigma else np.array([-np.inf, np.inf])
    smoothing = np.diff(erf(edges)) / 2
    centers = (np.arange(new_length) + 0.5) * length / new_length - 0.5
    centers = np.clip(centers, 0, length - 1)
    left = np.floor(centers).astype(np.int64)
    taken: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for neighbor, fraction in ((left, 1 - (centers - left)), (left + 1, centers - left)):
        for offset, weight in zip(offsets, smoothing, strict=True):
            source = neighbor + offset
            inside = (source >= 0) & (source < length) & (fraction > 0)
            taken.append((np.flatnonzero(inside), source[inside], fraction[inside] * weight))
    row, column, weight = (np.concatenate(parts) for parts in zip(*taken, strict=True))
    weights = csr_array((weight, (row, column)), shape=(new_length, length))
    weights.sum_duplicates()
    total = np.asarray(weights.sum(axis=1)).reshape(-1)
    scaled = csr_array((weights.data / np.repeat(total, np.diff(weights.indptr)), weights.indices, weights.indptr),
                       shape=weights.shape)  # fmt: skip
    return scaled.astype(np.float32)
