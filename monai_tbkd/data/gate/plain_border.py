"""Find the radiograph in a picture with wide plain borders: a screenshot, a scan, a presentation's page."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.gate.image_features import block_means

LARGE_BORDER = 1 / 3
"""Smallest border that is cropped, as fraction of the picture. X-rays of five data sets have at most 0.28."""

_FLAT = 0.02  # a line is plain if nearly all of it lies within this fraction of the picture's range
_MOST = (5, 95)  # percentiles; the range is at most _WIDER times theirs, so that a bright marker does not set it
_WIDER = 3
_NEARLY_ALL = (0.98, 0.9)  # at first hardly anything is on it, so that a small radiograph is seen; then a panel may be
_GAP = 0.01  # plain lines of this fraction of a side, or more, part a text or a toolbar from the radiograph
_BUSY = 0.5  # least fraction of lines inside that are not plain; else it is no radiograph, and the picture stays whole
# Largest fraction of the inside that does not change from pixel to pixel: grays were clipped, and the sides are unsure.
_STILL = 0.35
_PICTURE = 0.5  # what is parted, and shorter than this fraction of the longest part, is no second picture


class Inside(NamedTuple):
    """What plain borders leave of a picture.

    Attributes:
        box: xmin, ymin, xmax, ymax in pixels, half-open; the whole picture where borders are small.
        border: fraction of the picture that plain borders take.
        several: plain lines part what is inside into pictures of similar size.
    """

    box: tuple[int, int, int, int]
    border: float
    several: bool


def inside_border(image: NDArray[Any]) -> Inside:
    """Find what lies inside plain borders of any gray, also where texts and toolbars stand in them.

    The box is exact to about a hundredth of its shorter side. Small borders stay: images are framed in many ways, and
    networks have learned from them as they are.

    Args:
        image: ``(H, W)``, rows first, of any range.

    Example:
        >>> image = np.zeros((100, 300))
        >>> image[:, 100:200] = np.random.default_rng(0).uniform(0, 255, (100, 100))
        >>> inside_border(image).box, inside_border(image[:, 80:210]).box
        ((100, 0, 200, 100), (0, 0, 130, 100))
    """
    height, width = image.shape
    x0, y0, x1, y1, several = _look(image)
    border = 1 - (y1 - y0) * (x1 - x0) / (height * width)
    if border < LARGE_BORDER:
        return Inside((0, 0, width, height), border, several)
    left, top, right, bottom, _ = _look(image[y0:y1, x0:x1])  # closer: blocks of a large picture are coarse
    return Inside((x0 + left, y0 + top, x0 + right, y0 + bottom), border, several)


def _look(image: NDArray[Any]) -> tuple[int, int, int, int, bool]:
    """Find the box inside, and whether it holds several pictures."""
    height, width = image.shape
    reduced = block_means(image)
    flat = _FLAT * _gray_range(reduced)
    rows, columns = slice(0, reduced.shape[0]), slice(0, reduced.shape[1])
    several = False
    for nearly_all in _NEARLY_ALL:
        before = None
        while before != (rows, columns):  # what takes off a column can make a row plain
            before = rows, columns
            rows, apart = _inner(reduced[:, columns], rows, flat, nearly_all)
            several |= apart
            columns, apart = _inner(reduced[rows].T, columns, flat, nearly_all)
            several |= apart
    inside = reduced[rows, columns]
    if min(_busy(lines, flat, _NEARLY_ALL[-1]).mean() for lines in (inside, inside.T)) < _BUSY:
        return 0, 0, width, height, False
    if inside.size < reduced.size / 2 and _still(inside, flat) >= _STILL:
        return 0, 0, width, height, False
    step = height // reduced.shape[0]
    return (
        columns.start * step,
        rows.start * step,
        width if columns.stop == reduced.shape[1] else columns.stop * step,
        height if rows.stop == reduced.shape[0] else rows.stop * step,
        several,
    )


def _gray_range(reduced: NDArray[np.float64]) -> float:
    """Return the range of the grays without outliers and constant areas: a canvas may take nearly all of a picture."""
    changes = np.zeros(reduced.shape, np.bool_)
    for turned, grays in ((changes, reduced), (changes.T, reduced.T)):
        turned[1:] |= np.diff(grays, axis=0) != 0
    whole = float(np.ptp(reduced))
    most = float(np.ptp(np.percentile(reduced[changes], _MOST))) if changes.any() else 0.0
    return min(whole, _WIDER * most) if most > 0 else whole


def _busy(lines: NDArray[np.float64], flat: float, nearly_all: float) -> NDArray[np.bool_]:
    """Find lines that are not plain."""
    far = np.abs(lines - np.median(lines, axis=1, keepdims=True)) > flat / 2
    return np.asarray(far.mean(axis=1) > 1 - nearly_all)


def _still(inside: NDArray[np.float64], flat: float) -> float:
    """Return the fraction of pixels that equal the one above and the one to the left."""
    changes = np.maximum(np.abs(np.diff(inside, axis=0))[:, 1:], np.abs(np.diff(inside, axis=1))[1:])
    return float((changes <= flat / 16).mean()) if changes.size else 1.0


def _inner(lines: NDArray[np.float64], within: slice, flat: float, nearly_all: float) -> tuple[slice, bool]:
    """Strip plain lines from both ends; return also whether the rest is several pictures."""
    busy = np.flatnonzero(_busy(lines[within], flat, nearly_all))
    if not len(busy):  # nothing at all, or too thin to be told from text
        return within, False
    ends = np.flatnonzero(np.diff(busy) - 1 >= max(2, _GAP * len(lines)))
    first, last = busy[np.append(0, ends + 1)], busy[np.append(ends, -1)] + 1
    lengths = last - first
    kept = np.flatnonzero(lengths >= _PICTURE * lengths.max())
    return slice(within.start + int(first[kept[0]]), within.start + int(last[kept[-1]])), len(kept) > 1
