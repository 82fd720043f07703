"""Count the pixels of each image at or above each of many thresholds, in one pass over the pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

_CELLS = 1 << 15  # of the fine grid of values: more hold fewer pixels beside a threshold, fewer fit a nearer cache


class PixelCounts(NamedTuple):
    """Counts of N images at K thresholds; sums over images are counts again, so images can be weighted."""

    hit: np.ndarray  # (N, K) int64: pixels in true boxes at or above the threshold
    predicted: np.ndarray  # (N, K) int64: all pixels at or above the threshold
    inside: np.ndarray  # (N,) int64: pixels in true boxes
    pixels: np.ndarray  # (N,) int64: all pixels


def refuse_nan(values: np.ndarray | torch.Tensor, what: str) -> None:
    """Raise a ValueError where a value is nan or infinite: it would drop out of a mean unnoticed."""
    tensor = torch.as_tensor(values)
    strange = int((~torch.isfinite(tensor)).sum()) if tensor.is_floating_point() else 0
    if strange:
        raise ValueError(
            f"{strange} of {tensor.numel()} values in {what} are nan or infinite; expected finite numbers, so look at "
            "what made them."
        )


def pixel_counts(
    maps: np.ndarray, true_masks: np.ndarray, thresholds: np.ndarray, images: np.ndarray | None = None
) -> PixelCounts:
    """Count pixels at or above thresholds, inside true boxes and in all: exactly those of ``maps[i] >= thresholds[k]``.

    Args:
        maps: ``(N, H, W)``, of any range.
        true_masks: ``(N, H, W)`` bool.
        thresholds: ``(K,)``, ascending.
        images: ``(N,)`` bool, the images to count; the others' rows are 0. None counts all.

    Raises:
        ValueError: shapes that do not fit, thresholds that do not ascend, or a map with nan or infinite values.
    """
    maps, true_masks = np.asarray(maps), np.asarray(true_masks)
    if maps.ndim != 3 or maps.shape != true_masks.shape:
        raise ValueError(
            f"Maps are {maps.shape} and true masks {true_masks.shape}; expected both (images, rows, columns)."
        )
    if true_masks.dtype != bool:
        raise ValueError(f"True masks are {true_masks.dtype}; expected bool.")
    # float16 and float32 are exact in float32; all else is brought to float64
    dtype = np.float32 if maps.dtype in (np.float16, np.float32) else np.float64
    count_at = _Counter(thresholds, dtype)
    chosen = np.ones(len(maps), dtype=bool) if images is None else np.asarray(images, dtype=bool)
    if chosen.shape != (len(maps),):
        raise ValueError(f"images has shape {chosen.shape}; expected ({len(maps)},), one a map.")
    shape = (len(maps), len(count_at.steps))
    result = PixelCounts(*(np.zeros(s, dtype=np.int64) for s in (shape, shape, len(maps), len(maps))))
    for i in np.flatnonzero(chosen):
        values, truth = maps[i].ravel().astype(dtype, copy=False), true_masks[i].ravel()
        if values.size and not (np.isfinite(values.min()) and np.isfinite(values.max())):
            raise ValueError(f"The map of image {i} (from 0) has nan or infinite values; expected finite numbers.")
        result.predicted[i], result.hit[i] = count_at(values, truth)
        result.inside[i], result.pixels[i] = np.count_nonzero(truth), truth.size
    return result


def rounded_up(thresholds: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    """Round thresholds ``(K,)`` up to a floating type, so that ``value >= threshold`` says the same of its values.

    Raises:
        ValueError: not one row of numbers, or they do not ascend.
    """
    exact = np.asarray(thresholds, dtype=np.float64)
    if exact.ndim != 1 or len(exact) == 0 or np.isnan(exact).any() or (np.diff(exact) < 0).any():
        raise ValueError(f"Thresholds have shape {exact.shape}; expected one row of numbers, ascending, without nan.")
    near = exact.astype(dtype)
    return np.where(near.astype(np.float64) < exact, np.nextafter(near, dtype(np.inf)), near)


class _Counter:
    """Counts by a table of cells instead of a search for each pixel.

    Cells are monotonic in the value, so all pixels of a cell without a threshold are on the same side of every
    threshold; only pixels that share a cell with a threshold are compared with it.
    """

    def __init__(self, thresholds: np.ndarray, dtype: type[np.floating]) -> None:
        self.steps = rounded_up(thresholds, dtype)
        span = float(self.steps[-1]) - float(self.steps[0])
        self.low = self.steps[0]
        self.scale = dtype((_CELLS - 3) / span if span > 1e-30 else 1.0)
        self.step_cells = self._cells(self.steps)
        self.mixed = np.zeros(_CELLS, dtype=bool)
        self.mixed[self.step_cells] = True

    def _cells(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            positions = values - self.low
            positions *= self.scale
        positions += 1  # the first cell is for what lies below every threshold
        np.clip(positions, 0, _CELLS - 1, out=positions)
        return positions.astype(np.intp)

    def __call__(self, values: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Counts at or above each threshold ``(K,)``: of all pixels, and of those in ``truth``."""
        cells = self._cells(values)
        mixed = np.flatnonzero(self.mixed[cells])
        bins = np.searchsorted(self.steps, values[mixed], side="right")
        everything = self._at_or_above(cells, bins)
        return everything, self._at_or_above(cells[truth], bins[truth[mixed]])

    def _at_or_above(self, cells: np.ndarray, bins: np.ndarray) -> np.ndarray:
        clear = np.bincount(cells, minlength=_CELLS)
        clear[self.mixed] = 0
        # A pixel of bin b is at or above the thresholds 0 ... b - 1.
        compared = np.bincount(bins, minlength=len(self.steps) + 1)
        return clear[::-1].cumsum()[::-1][self.step_cells] + compared[::-1].cumsum()[::-1][1:]
