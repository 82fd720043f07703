"""Features of a picture in a few cells, edges and grays, that do not depend on gray curve, size or border."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, uniform_filter
from scipy.sparse import csr_array

Floats = NDArray[np.float64]

SIDE = 64  # pixels a side of the thumbnail that everything is computed from
CELLS, DIRECTIONS, BLOCKS = 8, 8, 16
"""The thumbnail has CELLS x CELLS cells with DIRECTIONS directions of edges each, and BLOCKS x BLOCKS grays."""

_REDUCED = 128  # borders are looked for in an image of this many pixels or somewhat more, on its shorter side
_FLAT = 0.08  # a line of a border varies by less than this fraction of the image's range
_MOST = 0.35  # of a side is taken for border at most
_CLOSER = 0.07  # of each side is cropped for the last features


class Turn(NamedTuple):
    """One way to turn a picture: transposed, then top to bottom, then left to right, then inverted."""

    transposed: bool = False
    flipped: bool = False
    mirrored: bool = False
    inverted: bool = False


@dataclass(frozen=True)
class ImageFeatures:
    """Edges and grays of a picture, each of unit length.

    Args:
        edges: ``(CELLS, CELLS, DIRECTIONS)``: for each cell, rows first, how much gray rises in each direction;
            direction 0 is to the right, 2 is downward.
        grays: ``(BLOCKS, BLOCKS)``: the mean rank of the gray values of each block, with mean 0.
    """

    edges: Floats
    grays: Floats

    def turned(self, turn: Turn) -> ImageFeatures:
        """Return the features of the turned picture, without the picture."""
        edges, grays, k = self.edges, self.grays, np.arange(DIRECTIONS)
        if turn.transposed:
            edges, grays = edges.transpose(1, 0, 2)[..., (DIRECTIONS // 4 - k) % DIRECTIONS], grays.T
        if turn.flipped:
            edges, grays = edges[::-1][..., -k % DIRECTIONS], grays[::-1]
        if turn.mirrored:
            edges, grays = edges[:, ::-1][..., (DIRECTIONS // 2 - k) % DIRECTIONS], grays[:, ::-1]
        if turn.inverted:
            edges, grays = edges[..., (k + DIRECTIONS // 2) % DIRECTIONS], -grays
        return ImageFeatures(edges, grays)

    def row(self) -> Floats:
        """Return all values as one row, edges first."""
        return np.concatenate([self.edges.ravel(), self.grays.ravel()])


def image_features(image: NDArray[Any]) -> list[ImageFeatures]:
    """Compute the features of an image ``(H, W)`` as it is, without its plain borders, and cropped a little more.

    Images are framed in many ways, and none of these alone is right for all.

    Returns:
        The features of each; none for an image of one value. They do not change with the range of the values; a gray
        curve changes them a little.

    Raises:
        ValueError: not two axes, no pixels, or values that are not finite.

    Example:
        >>> ramp = np.tile(np.arange(100), (80, 1))
        >>> [int(look.edges.sum((0, 1)).argmax()) for look in image_features(ramp)]  # brighter to the right
        [0, 0, 0]
    """
    if image.ndim != 2 or not image.size:
        raise ValueError(f"The image is {image.shape}; expected (height, width), with pixels.")
    reduced = block_means(image)
    if not np.isfinite(reduced).all():
        raise ValueError("The image holds values that are not finite; expected gray values.")
    span = float(np.ptp(reduced))
    if not span > 1e-6 * float(np.abs(reduced).max()):
        return []
    image = (reduced - reduced.min()) / span
    inner = _without_border(image)
    height, width = (round(side * _CLOSER) for side in inner.shape)
    closer = inner[height : inner.shape[0] - height, width : inner.shape[1] - width]
    looks = (_look(_area_mean(part, SIDE)) for part in (image, inner, closer))
    return [look for look in looks if look is not None]


def _look(thumbnail: Floats) -> ImageFeatures | None:
    """Compute the features of a thumbnail ``(SIDE, SIDE)``; None if it is of one value."""
    span = float(np.ptp(thumbnail))
    if span < 1e-6:
        return None
    # Ranks are the same for any gray curve; steps of 1e-4 keep ties together that rounding errors would part.
    steps = np.round((thumbnail - thumbnail.min()) / span * 1e4).astype(np.int64)
    counts = np.bincount(steps.ravel())
    shared = counts.cumsum() - (counts - 1) / 2  # of each step, the mean of the ranks, from 1 on, that it takes
    ranks = shared[steps] / steps.size - 0.5
    grays = ranks.reshape(BLOCKS, SIDE // BLOCKS, BLOCKS, SIDE // BLOCKS).mean((1, 3))
    grays -= grays.mean()
    return ImageFeatures(_edges(ranks), grays / max(float(np.linalg.norm(grays)), 1e-9))


def block_means(image: NDArray[Any]) -> Floats:
    """Average whole blocks, so that an image of 3000 pixels a side costs little more than one of 512."""
    height, width = image.shape
    step = max(1, min(height, width) // _REDUCED)
    if step == 1:
        return np.asarray(image, dtype=np.float64)
    whole = np.asarray(image[: height // step * step, : width // step * step])
    lines = whole.reshape(height // step, step, -1).mean(1, dtype=np.float32 if whole.itemsize <= 4 else np.float64)
    return np.asarray(lines.reshape(len(lines), -1, step).mean(2), dtype=np.float64)


def _area_mean(image: Floats, side: int) -> Floats:
    """Resize to a square, each pixel the mean over the area that it covers."""
    rows, columns = (_area_weights(n, side) for n in image.shape)
    return np.asarray((columns @ (rows @ image).T).T)


@lru_cache(maxsize=64)
def _area_weights(n: int, side: int) -> csr_array:
    # Sparse: a dense product, nearly all 0, would wake all threads of the BLAS, which is slow on a busy machine.
    edges, pixels = np.linspace(0, n, side + 1), np.arange(n)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return csr_array(np.clip(shared, 0, None) * (side / n))


def _without_border(image: Floats) -> Floats:
    """Crop plain lines around the image: letterboxing, collimation, frames, also with a letter on them."""
    low, high = np.percentile(image, (1, 99))
    flat = _FLAT * (high - low)

    def inside(lines: Floats) -> slice:
        n, across = lines.shape
        ordered = np.sort(lines, axis=1)
        low, high = ordered[:, round(0.15 * (across - 1))], ordered[:, round(0.85 * (across - 1))]
        busy = median_filter(high - low > flat, n // 128 * 2 + 1, mode="nearest")  # a thin line does not end a border
        most = int(n * _MOST)
        first = int(np.argmax(np.append(busy[:most], True)))
        last = int(np.argmax(np.append(busy[::-1][:most], True)))
        return slice(first, n - last)

    image = image[inside(image)]
    image = image[:, inside(image.T)]
    return image[inside(image)]  # rows that were busy only at their ends


def _edges(ranks: Floats) -> Floats:
    """Make histograms of the gradient's direction, each split between its two neighboring bins."""
    down, right = np.gradient(ranks)
    strength = np.hypot(down, right)
    direction = np.arctan2(down, right) / (2 * np.pi) * DIRECTIONS % DIRECTIONS
    low = np.floor(direction).astype(np.int64)
    fraction = direction - low
    line = np.arange(SIDE) // (SIDE // CELLS)
    cell = (line[:, None] * CELLS + line[None, :]) * DIRECTIONS
    histogram = np.zeros(CELLS * CELLS * DIRECTIONS)
    for bins, weight in ((low, strength * (1 - fraction)), (low + 1, strength * fraction)):
        histogram += np.bincount((cell + bins % DIRECTIONS).ravel(), weight.ravel(), histogram.size)
    edges = histogram.reshape(CELLS, CELLS, DIRECTIONS)
    around = uniform_filter((edges**2).sum(-1), 3, mode="nearest")
    edges = edges / np.sqrt(around + 1e-3)[..., None]  # faint parts count like strong ones, noise does not
    return np.asarray(edges / max(float(np.linalg.norm(edges)), 1e-9))
