"""Share of films with a well-placed box at the best threshold: MaxBoxAcc and MaxBoxAccV2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from scipy import ndimage

from monai_tbkd.metrics.box_overlap import box_array, pairwise_iou
from monai_tbkd.metrics.pixel_counts import rounded_up
from monai_tbkd.metrics.refuse_nan import refuse_nan

BOX_THRESHOLDS = np.arange(100) / 100
V2_LEVELS = (0.3, 0.5, 0.7)
COMPONENTS = ("all", "largest")

DEFINITIONS = {
    "max_box_acc": (
        "MaxBoxAcc (Choe et al., CVPR 2020): share of TB films where the box of the mask's largest component has IoU "
        ">= 0.5 with a true box, at the threshold that is best on these very films."
    ),
    "max_box_acc_v2": (
        "MaxBoxAccV2 (Choe et al.): share of TB films where the box of any component has IoU >= d with a true box, "
        "each d at the threshold that is best on these very films, mean over d = 0.3, 0.5, 0.7."
    ),
}


class BoxAccuracyAtBest(NamedTuple):
    """Accuracies at the best thresholds."""

    accuracy: np.ndarray
    """``(R, levels)`` of 0-1; its mean over levels is MaxBoxAccV2."""
    threshold: np.ndarray
    """``(R, levels)`` int: index of the threshold, the lowest of equals."""


def film_box_ious(
    maps: np.ndarray,
    true_boxes: Sequence[np.ndarray],
    thresholds: np.ndarray = BOX_THRESHOLDS,
    components: str = "all",
) -> np.ndarray:
    """The best IoU of any box of a film's mask with any true box, at each threshold.

    A box is drawn tightly around each component (8-connected) of the pixels at or above the threshold; nothing is
    smoothed, dropped or gated by a score. A column of the result belongs to one threshold, so a threshold that was
    chosen elsewhere needs no second pass.

    Args:
        maps: ``(N, H, W)``; stretched film by film to 0-1 where numbers are to be set beside publications.
        true_boxes: ``(m, 4)`` a film, xyxy on the maps' grid, half-open edges.
        thresholds: ``(K,)``, ascending.
        components: ``all`` (V2) or ``largest``, the one of most pixels (V1).

    Returns:
        ``(N, K)``; 0 where nothing is at or above the threshold, nan for films without true boxes.

    Raises:
        ValueError: shapes that do not fit, nan, or an unknown choice of components.

    Example:
        >>> film_box_ious(np.array([[[0.1, 0.9]]]), [np.array([[1, 0, 2, 1]])], np.array([0.0, 0.5, 1.0]))
        array([[0.5, 1. , 0. ]])
    """
    maps = np.asarray(maps)
    if maps.ndim != 3 or len(maps) != len(true_boxes):
        raise ValueError(
            f"Maps are {maps.shape} with true boxes of {len(true_boxes)} films; expected (films, rows, columns)."
        )
    if components not in COMPONENTS:
        raise ValueError(f"components is {components!r}; expected one of {COMPONENTS}.")
    steps = rounded_up(thresholds, np.float32 if maps.dtype in (np.float16, np.float32) else np.float64)
    result = np.full((len(maps), len(steps)), np.nan)
    last, drawn = -1, (np.zeros((0, 4)), np.zeros(0, dtype=np.intp), np.zeros(len(steps), dtype=np.intp))
    for i, boxes in enumerate(true_boxes):
        true = box_array(boxes, "true boxes")
        if len(true) == 0:
            continue
        # A blind predictor has the same map on every film.
        if last < 0 or not np.array_equal(maps[last], maps[i]):
            refuse_nan(maps[i], f"the map of film {i} (from 0)")
            drawn = _boxes_at_steps(maps[i], steps, components == "largest")
        last = i
        predicted, step, same_as = drawn
        best = np.zeros(len(steps))
        np.maximum.at(best, step, pairwise_iou(predicted, true).max(axis=1, initial=0.0))
        result[i] = best[same_as]
    return result


def _boxes_at_steps(values: np.ndarray, steps: np.ndarray, largest: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes ``(B, 4)``, the step of each ``(B,)``, and for each step the one whose mask is the same ``(K,)``."""
    # A pixel of bin b is at or above the steps 0 ... b - 1.
    bins = np.searchsorted(steps, values.ravel().astype(steps.dtype), side="right").reshape(values.shape)
    changed = np.bincount(bins.ravel(), minlength=len(steps) + 1)[: len(steps)] > 0
    changed[0] = True
    row_top, column_top = bins.max(axis=1), bins.max(axis=0)
    boxes: list[tuple[int, int, int, int]] = []
    step: list[int] = []
    for k in np.flatnonzero(changed).tolist():
        rows, columns = np.flatnonzero(row_top > k), np.flatnonzero(column_top > k)
        if len(rows) == 0:
            break
        top, left = int(rows[0]), int(columns[0])
        mask = bins[top : rows[-1] + 1, left : columns[-1] + 1] > k
        labels, _ = ndimage.label(mask, structure=np.ones((3, 3), dtype=int))
        found = ndimage.find_objects(labels)
        if largest:
            found = [found[int(np.bincount(labels.ravel())[1:].argmax())]]
        boxes += [(x.start + left, y.start + top, x.stop + left, y.stop + top) for y, x in found]
        step += [k] * len(found)
    same_as = np.maximum.accumulate(np.where(changed, np.arange(len(steps)), 0))
    return np.array(boxes, dtype=np.float64).reshape(-1, 4), np.array(step, dtype=np.intp), same_as


def max_box_acc(
    ious: np.ndarray, levels: Sequence[float] = V2_LEVELS, weights: np.ndarray | None = None
) -> BoxAccuracyAtBest:
    """Share of films whose best IoU reaches each level, at the threshold where that share is largest.

    The threshold is chosen on the films that are reported, in every resample anew: an oracle's number. For one that is
    not, choose ``threshold`` on other films and take ``(ious[:, threshold] >= level)``.

    Args:
        ious: :func:`film_box_ious`; films that are nan take no part.
        levels: IoUs; ``(0.5,)`` with the largest component is MaxBoxAcc, 0.3, 0.5 and 0.7 with all MaxBoxAccV2.
        weights: ``(R, N)``, how often each film counts; None counts each once (R = 1).

    Example:
        >>> max_box_acc(np.array([[0.6, 0.2], [0.4, 0.5]]), levels=(0.3, 0.5)).accuracy
        array([[1. , 0.5]])
    """
    w = np.ones((1, len(ious))) if weights is None else np.asarray(weights, dtype=np.float64)
    valid = ~np.isnan(ious).any(axis=1)
    w, ious = w[:, valid], ious[valid]
    number = w.sum(axis=1, keepdims=True)
    accuracy, threshold = np.full((len(w), len(levels)), np.nan), np.zeros((len(w), len(levels)), dtype=np.intp)
    for index, level in enumerate(levels):
        right = w @ (ious >= level)  # (R, K)
        threshold[:, index] = right.argmax(axis=1)
        np.divide(right.max(axis=1), number[:, 0], out=accuracy[:, index], where=number[:, 0] > 0)
    return BoxAccuracyAtBest(accuracy, threshold)


class MaxBoxAcc(CumulativeIterationMetric):
    """MaxBoxAccV2, or with ``levels=(0.5,)`` and ``components="largest"`` MaxBoxAcc.

    Source: Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020,
    https://arxiv.org/abs/2001.07437, and for V2 https://arxiv.org/abs/2007.04178. Their code rounds maps to 8 bits,
    counts box edges inclusively (+1) and takes contours by OpenCV; here values are exact, edges half-open and
    components 8-connected.

    Args:
        levels: IoUs that count as right.
        components: ``all`` or ``largest``.
        thresholds: ``(K,)``, ascending.

    Example:
        >>> metric = MaxBoxAcc()
        >>> _ = metric([torch.tensor([[[0.1, 0.9]]])], [torch.tensor([[1.0, 0, 2, 1]])])
        >>> metric.aggregate().item()
        1.0
    """

    def __init__(
        self,
        levels: Sequence[float] = V2_LEVELS,
        components: str = "all",
        thresholds: np.ndarray = BOX_THRESHOLDS,
    ) -> None:
        super().__init__()
        self.levels, self.components, self.thresholds = tuple(levels), components, np.asarray(thresholds)

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Best IoU of a film at each threshold.

        Args:
            y_pred: a map ``(1, 1, H, W)``.
            y: true boxes ``(1, m, 4)``, xyxy on the map's grid.

        Returns:
            ``(1, K)``, nan where the film has no box.

        Raises:
            ValueError: a map with nan, or boxes upside down.
        """
        one = film_box_ious(y_pred[:, 0].cpu().numpy(), [y[0].cpu().numpy()], self.thresholds, self.components)
        return torch.from_numpy(one)

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Mean over levels, a scalar; nan where no film has a box."""
        ious = torch.as_tensor(self.get_buffer()).cpu().numpy()
        return torch.tensor(max_box_acc(ious, self.levels).accuracy[0].mean())
