"""Fraction of images with a well-placed box at the best threshold: MaxBoxAcc and MaxBoxAccV2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from monai_tbkd.metrics.box_metrics import box_array, pairwise_iou
from monai_tbkd.metrics.map_metrics import refuse_nan, rounded_up

BOX_THRESHOLDS = np.arange(100) / 100
V2_LEVELS = (0.3, 0.5, 0.7)

DEFINITIONS = {
    "max_box_acc": (
        "MaxBoxAcc (Choe et al., CVPR 2020): fraction of TB images where the box of the mask's largest component has "
        "IoU >= 0.5 with a true box, at the threshold that is best on these very images."
    ),
    "max_box_acc_v2": (
        "MaxBoxAccV2 (Choe et al.): fraction of TB images where the box of any component has IoU >= d with a true box, "
        "each d at the threshold that is best on these very images, mean over d = 0.3, 0.5, 0.7."
    ),
}


class BoxIous(NamedTuple):
    """Best IoU of a box of the mask with any true box, ``(N, K)`` at each threshold; nan without true boxes."""

    every: np.ndarray  # of all components, for MaxBoxAccV2
    largest: np.ndarray  # of the component with the most pixels, for MaxBoxAcc


class _Boxes(NamedTuple):
    boxes: np.ndarray  # (B, 4) of all steps
    step: np.ndarray  # (B,), the step of each
    largest: np.ndarray  # (B,) bool, whether it is the largest component of its step
    same_as: np.ndarray  # (K,), for each step the one whose mask is the same


def image_box_ious(
    maps: np.ndarray, true_boxes: Sequence[np.ndarray], thresholds: np.ndarray = BOX_THRESHOLDS
) -> BoxIous:
    """Draw a box tightly around each component of each image's mask, and compare it with the true boxes.

    A component is 8-connected, of the pixels at or above the threshold; nothing is smoothed, dropped or gated by a
    score. Source: Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020,
    https://arxiv.org/abs/2001.07437, and for V2 https://arxiv.org/abs/2007.04178. Their code rounds maps to 8 bits and
    counts box edges inclusively (+1); here values are exact and edges half-open.

    Args:
        maps: ``(N, H, W)``; stretched image by image to 0-1 where numbers are to be set beside publications.
        true_boxes: ``(m, 4)`` per image, xyxy on the maps' grid, half-open edges.
        thresholds: ``(K,)``, ascending.

    Raises:
        ValueError: shapes that do not fit, or nan.
    """
    maps = np.asarray(maps)
    if maps.ndim != 3 or len(maps) != len(true_boxes):
        raise ValueError(
            f"Maps are {maps.shape} with true boxes of {len(true_boxes)} images; expected (images, rows, columns)."
        )
    steps = rounded_up(thresholds, np.float32 if maps.dtype in (np.float16, np.float32) else np.float64)
    result = BoxIous(*(np.full((len(maps), len(steps)), np.nan) for _ in BoxIous._fields))
    last = -1
    drawn: _Boxes | None = None
    for i, boxes in enumerate(true_boxes):
        true = box_array(boxes, "true boxes")
        if len(true) == 0:
            continue
        # A blind predictor has the same map on every image.
        if drawn is None or not np.array_equal(maps[last], maps[i]):
            refuse_nan(maps[i], f"the map of image {i} (from 0)")
            drawn = _boxes_at_steps(maps[i], steps)
        last = i
        overlap = pairwise_iou(drawn.boxes, true).max(axis=1, initial=0.0)
        for rows, kept in ((result.every, slice(None)), (result.largest, drawn.largest)):
            best = np.zeros(len(steps))
            np.maximum.at(best, drawn.step[kept], overlap[kept])
            rows[i] = best[drawn.same_as]
    return result


def _boxes_at_steps(values: np.ndarray, steps: np.ndarray) -> _Boxes:
    # A pixel of bin b is at or above the steps 0 ... b - 1.
    bins = np.searchsorted(steps, values.ravel().astype(steps.dtype), side="right").reshape(values.shape)
    bins = bins.astype(np.min_scalar_type(len(steps)))
    changed = np.bincount(bins.ravel(), minlength=len(steps) + 1)[: len(steps)] > 0
    changed[0] = True
    row_top, column_top = bins.max(axis=1), bins.max(axis=0)
    boxes: list[tuple[int, int, int, int]] = []
    step: list[int] = []
    largest: list[int] = []
    for k in np.flatnonzero(changed).tolist():
        rows, columns = np.flatnonzero(row_top > k), np.flatnonzero(column_top > k)
        if len(rows) == 0:
            break
        top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
        labels, number = ndimage.label(bins[top:bottom, left:right] > k, structure=np.ones((3, 3), dtype=int))
        if number == 1:
            largest.append(len(boxes))
            boxes.append((left, top, right, bottom))
        else:
            largest.append(len(boxes) + int(np.bincount(labels.ravel())[1:].argmax()))
            found = ndimage.find_objects(labels)
            boxes += [(x.start + left, y.start + top, x.stop + left, y.stop + top) for y, x in found]
        step += [k] * number
    is_largest = np.zeros(len(boxes), dtype=bool)
    is_largest[largest] = True
    same_as = np.maximum.accumulate(np.where(changed, np.arange(len(steps)), 0))
    return _Boxes(np.array(boxes, dtype=np.float64).reshape(-1, 4), np.array(step, dtype=np.intp), is_largest, same_as)


def max_box_acc(ious: np.ndarray, weights: np.ndarray, levels: Sequence[float] = V2_LEVELS) -> np.ndarray:
    """Compute the fraction of images whose best IoU reaches each level, ``(R, levels)``, at the threshold that is best.

    The threshold is chosen on the images that are reported, in every resample anew: an oracle's number. Levels of
    ``(0.5,)`` with the largest component are MaxBoxAcc, the mean over 0.3, 0.5 and 0.7 with all is MaxBoxAccV2.
    """
    valid = ~np.isnan(ious).any(axis=1)
    w, ious = weights[:, valid], ious[valid]
    number = w.sum(axis=1, keepdims=True)
    right = np.stack([(w @ (ious >= level).astype(float)).max(axis=1) for level in levels], axis=1)
    return right / np.where(number > 0, number, np.nan)
