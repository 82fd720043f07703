"""From gray values of any range and size to the input of a network: resize, 8 bits, normalize."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from monai.transforms import RandomizableTrait, Transform
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import erf

from monai_tbkd.data.files.number_range import is_number
from monai_tbkd.networks.gray_input import IMAGENET_MEAN, IMAGENET_STD
from monai_tbkd.transforms.plain_tensor import DictionaryForm, plain_tensor, with_meta_of

_TRUNCATED = 4.0
"""Where the smoothing ends, in standard deviations (MONAI's)."""


class ResizeImage(Transform):
    """Resize an image ``(C, H, W)`` to ``size``, (height, width), in float32: bilinear, smoothed against aliasing.

    Within the image this is MONAI's ``Resize`` with ``anti_aliasing``, which takes zeros beyond the image and so
    darkens bright edges. Here weights sum to 1 at the edges, and only what is needed is computed
    (``benchmarks/reading.py``).
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


class ResizeImaged(DictionaryForm):
    """Dictionary form of :class:`ResizeImage`."""

    array_form = ResizeImage


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


class ImageTo8Bitd(DictionaryForm):
    """Dictionary form of :class:`ImageTo8Bit`."""

    array_form = ImageTo8Bit


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


class NormalizeImage(Transform):
    """Scale gray images of 0-255 to 0-1 and standardize them with the mean and deviation of ImageNet's three channels.

    ``(1, H, W)`` to ``(3, H, W)`` in float32, or a batch of them, ``(B, 1, H, W)``.
    """

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        if image.ndim not in (3, 4) or image.shape[-3] != 1:
            raise ValueError(
                f"The image is {tuple(image.shape)}; expected one gray channel, (1, H, W), or a batch of such images."
            )
        plain = plain_tensor(image)
        mean, std = (torch.tensor(x, device=plain.device).reshape(-1, 1, 1) for x in (IMAGENET_MEAN, IMAGENET_STD))
        return with_meta_of(image, (plain.float() / 255.0 - mean).div_(std))


class NormalizeImaged(DictionaryForm, RandomizableTrait):
    """Dictionary form of :class:`NormalizeImage`.

    It is marked as random, though it is not, so that MONAI's ``CacheDataset`` keeps the image before it, which takes a
    twelfth of the memory.
    """

    array_form = NormalizeImage
