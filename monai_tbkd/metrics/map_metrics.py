"""Metrics that compare a map with the union of an image's true boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from monai.metrics import CumulativeIterationMetric

PXAP_THRESHOLDS = np.arange(1001) / 1000
_CELLS = 1 << 15  # of the fine grid of values: more hold fewer pixels beside a threshold, fewer fit a nearer cache

DEFINITIONS = {
    "union_mask_miou": (
        "IoU of the map's mask (at or above the threshold) with the union of the image's true boxes, mean over TB "
        "images with boxes; an image on which nothing is predicted counts 0."
    ),
    "union_mask_miou_all_images": (
        "The same over all images with known boxes: an image without TB counts 1 if nothing is predicted on it, else 0."
    ),
    "pxap": (
        "PxAP (Choe et al., CVPR 2020): area under precision against recall of pixels, those of all TB images with "
        "boxes pooled, 1001 thresholds from 0 to 1, by steps; no threshold is chosen."
    ),
    "proportional_energy": (
        "Sum of the map in the true boxes over its sum on the image, mean over TB images with boxes; a map of zeros "
        "counts 0 (mednet's name; its maps are stretched to 0-1 image by image)."
    ),
    "average_saliency_focus": (
        "Sum of the map in the true boxes over their area, mean over TB images with boxes (mednet's name; its maps are "
        "stretched to 0-1 image by image)."
    ),
}


class _MeanOverImages(CumulativeIterationMetric):
    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Mean over images, a scalar; nan where none counts."""
        return torch.nanmean(torch.as_tensor(self.get_buffer()))


class UnionMaskIoU(_MeanOverImages):
    """IoU of a predicted mask and the union of the true boxes, averaged over the images with boxes.

    Nothing predicted on an image with boxes counts 0. As MONAI's ``MeanIoU``, but nan where no image has boxes.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Compute the IoU of masks ``(B, 1, H, W)``, bool or 0/1: ``(B, 1)``, nan where the true mask is empty."""
        if y_pred.shape != y.shape:
            raise ValueError(f"Predicted masks are {tuple(y_pred.shape)} and true masks {tuple(y.shape)}.")
        p, t = y_pred.bool().flatten(1), y.bool().flatten(1)
        iou = (p & t).sum(1).float() / (p | t).sum(1).float()
        return torch.where(t.any(1), iou, torch.nan)[:, None]


class PointingGame(_MeanOverImages):
    """Fraction of images whose map is strongest inside a true box, over the images with boxes.

    Where several places are strongest, the image counts the fraction of them inside a box: a flat map gets what chance
    would give it. Source: Zhang et al., "Top-down Neural Attention by Excitation Backprop", IJCV 2018,
    https://arxiv.org/abs/1608.00507, without its 15-pixel tolerance.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Compute hit or miss ``(B, 1)`` of each image, nan where it has no box.

        Maps ``(B, 1, h, w)`` are brought to the grid of the union masks of true boxes ``(B, 1, H, W)``, bilinear.
        """
        refuse_nan(y_pred, "maps")
        if y_pred.shape[-2:] != y.shape[-2:]:
            y_pred = F.interpolate(y_pred.float(), size=y.shape[-2:], mode="bilinear", align_corners=False)
        p, t = y_pred.flatten(1), y.bool().flatten(1)
        peak = p == p.amax(dim=1, keepdim=True)
        hit = (peak & t).sum(1).float() / peak.sum(1).float()
        return torch.where(t.any(1), hit, torch.nan)[:, None]


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


def union_iou_sweep(
    maps: np.ndarray, true_masks: np.ndarray, thresholds: np.ndarray, without_tb: np.ndarray | None = None
) -> np.ndarray:
    """Compute the union-mask IoU of every image at every threshold, ``(N, K)``, in one pass over the pixels.

    A pixel counts at or above a threshold; thresholds ascend. An image that is ``without_tb`` counts 1 where nothing is
    predicted, else 0; other images without true boxes are nan.

    Raises:
        ValueError: see `pixel_counts`; or an image without TB has true boxes.
    """
    true_masks = np.asarray(true_masks, dtype=bool)
    has_boxes = true_masks.any(axis=(1, 2))
    healthy = np.zeros_like(has_boxes) if without_tb is None else np.asarray(without_tb, dtype=bool)
    if (healthy & has_boxes).any():
        raise ValueError(f"{(healthy & has_boxes).sum()} images without TB have true boxes; expected none.")
    return union_iou(pixel_counts(maps, true_masks, thresholds, images=has_boxes | healthy), healthy)


def union_iou(counts: PixelCounts, without_tb: np.ndarray | None = None) -> np.ndarray:
    """Compute the union-mask IoU from pixel counts, see `union_iou_sweep`."""
    iou = counts.hit / np.maximum(counts.predicted + counts.inside[:, None] - counts.hit, 1)
    healthy = np.nan if without_tb is None else np.where(without_tb[:, None], counts.predicted == 0, np.nan)
    return np.where(counts.inside[:, None] > 0, iou, healthy)


def pixel_average_precision(counts: PixelCounts, weights: np.ndarray | None = None) -> np.ndarray:
    """Compute the average precision of all images' pixels together, ``(R,)``; nan where no pixel is in a true box.

    Precision times the gain in recall, summed from the highest threshold to the lowest and on to "every pixel". Source:
    Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020,
    https://arxiv.org/abs/2001.07437, without the stretching of each map.
    """
    w = np.ones((1, len(counts.inside))) if weights is None else np.asarray(weights, dtype=np.float64)
    hit = np.column_stack([w @ counts.inside, w @ counts.hit])[:, ::-1]  # (R, K + 1), from the highest threshold down
    predicted = np.column_stack([w @ counts.pixels, w @ counts.predicted])[:, ::-1]
    precision = np.divide(hit, predicted, out=np.zeros_like(hit), where=predicted > 0)
    area = (precision * np.diff(hit, axis=1, prepend=0.0)).sum(axis=1)
    inside = hit[:, -1]
    return np.divide(area, inside, out=np.full_like(area, np.nan), where=inside > 0)


class SaliencyEnergy(NamedTuple):
    """Two numbers per image; nan for images without true boxes."""

    proportional_energy: np.ndarray  # (N,) of 0-1: fraction of the map's sum that lies in the true boxes
    average_saliency_focus: np.ndarray  # (N,), 0-1 for maps of 0-1: mean of the map in the true boxes


def saliency_energy(maps: np.ndarray, true_masks: np.ndarray) -> SaliencyEnergy:
    """Compute proportional energy (the energy-based pointing game) and average saliency focus of each image.

    Source: the definitions of https://mednet.readthedocs.io/en/stable/usage/saliency.html. Where boxes overlap, their
    union counts once.

    Raises:
        ValueError: maps ``(N, H, W)`` and masks of other shapes, nan, or negative values.
    """
    masks = np.asarray(true_masks, dtype=bool)
    if np.ndim(maps) != 3 or np.shape(maps) != masks.shape:
        raise ValueError(f"Maps are {np.shape(maps)} and masks {masks.shape}; expected both (images, rows, columns).")
    energy, focus = np.full(len(masks), np.nan), np.full(len(masks), np.nan)
    for i in np.flatnonzero(masks.any(axis=(1, 2))):
        values = np.asarray(maps[i], dtype=np.float64)
        refuse_nan(values, f"the map of image {i} (from 0)")
        if values.min() < 0:
            raise ValueError(
                f"The map of image {i} (from 0) goes down to {values.min():.3g}; expected 0 or above, such as "
                "probabilities and not logits."
            )
        inside, total = float(values[masks[i]].sum()), float(values.sum())
        energy[i] = inside / total if total > 0 else 0.0
        focus[i] = inside / masks[i].sum()
    return SaliencyEnergy(energy, focus)
