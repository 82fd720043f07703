"""Average precision and recall of boxes as COCO defines them; films are matched once and can then be weighted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from monai.apps.detection.metrics.matching import matching_batch
from monai.metrics import CumulativeIterationMetric

from monai_tbkd.metrics.box_overlap import box_array, pairwise_iou
from monai_tbkd.metrics.refuse_nan import refuse_nan

COCO_LEVELS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0.0, 1.0, 101)  # both to the bit as pycocotools has them

DEFINITIONS = {
    "ap50": (
        "COCO's average precision of boxes at IoU >= 0.5: 101 recall points, at most 100 boxes a film, highest score "
        "first, one class; false boxes on films without TB count."
    ),
    "ap": "COCO's AP@[.5:.95]: the same, mean over IoU 0.50, 0.55, ... 0.95.",
    "ar": "COCO's AR: share of true boxes found by the n highest boxes of a film, mean over IoU 0.50, 0.55, ... 0.95.",
}


class MatchedDetections(NamedTuple):
    """Predicted boxes of N films, each true or false at each of T IoUs; D boxes in all, in the order of the films."""

    film: np.ndarray
    """``(D,)`` int, index of the film."""
    score: np.ndarray
    """``(D,)``."""
    rank: np.ndarray
    """``(D,)`` int, place by score among the film's boxes, from 0."""
    hit: np.ndarray
    """``(T, D)`` bool."""
    ignored: np.ndarray
    """``(T, D)`` bool: met a true box that does not count; neither true nor false."""
    true_boxes: np.ndarray
    """``(N,)`` int, true boxes that count."""


def match_detections(
    predicted: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    true: Sequence[np.ndarray],
    levels: Sequence[float] | np.ndarray = COCO_LEVELS,
    ignore: Sequence[np.ndarray] | None = None,
    largest_number: int = 100,
) -> MatchedDetections:
    """Match the boxes of each film, by MONAI's ``matching_batch``: highest score first, each true box once.

    Args:
        predicted: ``(n, 4)`` a film, xyxy, half-open edges.
        scores: ``(n,)`` a film.
        true: ``(m, 4)`` a film, on the same grid; ``(0, 4)`` for films without TB, whose boxes are all false.
        levels: IoUs.
        ignore: ``(m,)`` bool a film: true boxes that do not count, such as those of another type or size; None: all
            count.
        largest_number: boxes of a film beyond it are dropped, the lowest scores first.

    Raises:
        ValueError: lists of different lengths, boxes upside down, or nan.

    Example:
        >>> one = match_detections([np.array([[0, 0, 2, 2]])], [np.array([0.9])], [np.array([[0, 0, 2, 3]])])
        >>> one.hit[:, 0].tolist()[:5]
        [True, True, True, True, False]
    """
    if not len(predicted) == len(scores) == len(true) == len(true if ignore is None else ignore):
        raise ValueError(
            f"Predicted boxes of {len(predicted)} films, scores of {len(scores)} and true boxes of {len(true)}; "
            "expected one each a film (and so for ignore)."
        )
    films = range(len(true))
    boxes = [box_array(b, "predicted boxes") for b in predicted]
    truth = [box_array(b, "true boxes") for b in true]
    marks = [np.asarray(s, dtype=np.float64).reshape(-1) for s in scores]
    skip = [
        np.zeros(len(t), dtype=bool) if ignore is None else np.asarray(ignore[i], bool) for i, t in enumerate(truth)
    ]
    for i in films:
        refuse_nan(marks[i], f"the scores of film {i} (from 0)")
        if len(marks[i]) != len(boxes[i]) or len(skip[i]) != len(truth[i]):
            raise ValueError(
                f"Film {i} (from 0) has boxes without a score, or ignore of another length; expected one each."
            )
    results = matching_batch(
        iou_fn=pairwise_iou,
        iou_thresholds=[float(level) for level in levels],
        pred_boxes=boxes,
        pred_classes=[np.zeros(len(b), dtype=int) for b in boxes],
        pred_scores=marks,
        gt_boxes=truth,
        gt_classes=[np.zeros(len(t), dtype=int) for t in truth],
        gt_ignore=skip,
        max_detections=largest_number,
    )
    found = [(i, results[i][0]) for i in films if 0 in results[i]]
    counts = [len(r["dtScores"]) for _, r in found]
    none = np.zeros((len(levels), 0), dtype=bool)
    return MatchedDetections(
        film=np.repeat(np.array([i for i, _ in found], dtype=np.intp), counts),
        score=np.concatenate([np.zeros(0), *(r["dtScores"] for _, r in found)]),
        rank=np.concatenate([np.zeros(0, dtype=np.intp), *(np.arange(c) for c in counts)]),
        hit=np.concatenate([none, *(r["dtMatches"] > 0 for _, r in found)], axis=1),
        ignored=np.concatenate([none, *(r["dtIgnore"] > 0 for _, r in found)], axis=1),
        true_boxes=np.array([int((~s).sum()) for s in skip], dtype=np.int64),
    )


def average_precision(
    matched: MatchedDetections,
    weights: np.ndarray | None = None,
    levels: Sequence[int] | None = None,
    ties_together: bool = False,
) -> np.ndarray:
    """Average precision at each IoU, by COCO's 101 recall points.

    A film of weight 2 counts as if it were there twice. In float64, as pycocotools; MONAI's ``COCOMetric`` compares
    recalls in float32, which moves points where a recall is a multiple of 0.01.

    COCO takes boxes of equal scores in the order of the films. A blind predictor has the same scores on every film, so
    its AP would depend on whether films with TB come first; with ``ties_together`` it does not.

    Args:
        matched: :func:`match_detections`.
        weights: ``(R, N)``, how often each film counts; None counts each once (R = 1).
        levels: indices of IoUs, such as ``[0]``; None: all T.
        ties_together: boxes of equal scores come up at once; the same as COCO's where scores are distinct.

    Returns:
        ``(R, T)`` of 0-1; nan where there is no true box.
    """
    w = np.ones((1, len(matched.true_boxes))) if weights is None else np.asarray(weights, dtype=np.float64)
    chosen = list(range(len(matched.hit))) if levels is None else list(levels)
    order = np.argsort(-matched.score, kind="stable")
    each = w[:, matched.film[order]]  # (R, D)
    score = matched.score[order]
    # where each box's tie ends
    ends = np.searchsorted(-score, -score, side="right") - 1 if ties_together else np.arange(len(score))
    number = (w @ matched.true_boxes)[:, None]
    known = np.where(number > 0, number, np.nan)
    result = np.empty((len(w), len(chosen)))
    for column, level in enumerate(chosen):
        hit, ignored = matched.hit[level, order], matched.ignored[level, order]
        at = ends[hit & ~ignored]  # recall grows at hits alone, so precision matters only there
        hits = (each * (hit & ~ignored)).cumsum(axis=1)[:, at]  # (R, H)
        drawn = (each * ~ignored).cumsum(axis=1)[:, at]
        precision = np.divide(hits, drawn, out=np.zeros_like(hits), where=drawn > 0)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        # recall points that are reached first at each hit
        reached = np.searchsorted(_RECALLS, np.nan_to_num(hits / known), side="right")
        result[:, column] = (envelope * np.diff(reached, axis=1, prepend=0)).sum(axis=1) / len(_RECALLS)
    return np.where(number > 0, result, np.nan)


def average_recall(
    matched: MatchedDetections, largest_number: int = 100, weights: np.ndarray | None = None
) -> np.ndarray:
    """Share of true boxes that are found, at each IoU; its mean over IoUs is COCO's AR.

    Args:
        matched: :func:`match_detections`.
        largest_number: only so many boxes of a film count, the highest scores first.
        weights: ``(R, N)``, how often each film counts; None counts each once (R = 1).

    Returns:
        ``(R, T)`` of 0-1; nan where there is no true box.
    """
    w = np.ones((1, len(matched.true_boxes))) if weights is None else np.asarray(weights, dtype=np.float64)
    number = (w @ matched.true_boxes)[:, None]
    right = matched.hit & ~matched.ignored & (matched.rank < largest_number)
    result: np.ndarray = w[:, matched.film] @ right.T / np.where(number > 0, number, np.nan)
    return result


class DetectionAP(CumulativeIterationMetric):
    """COCO's average precision of predicted boxes, mean over IoUs.

    Args:
        levels: IoUs; ``(0.5,)`` is AP50, the default AP@[.5:.95].
        largest_number: boxes of a film that count.

    Example:
        >>> metric = DetectionAP(levels=(0.5,))
        >>> _ = metric([torch.tensor([[0.0, 0, 2, 2, 0.9]])], [torch.tensor([[0.0, 0, 2, 3]])])
        >>> metric.aggregate().item()
        1.0
    """

    def __init__(self, levels: Sequence[float] | np.ndarray = COCO_LEVELS, largest_number: int = 100) -> None:
        super().__init__()
        self.levels, self.largest_number = tuple(float(level) for level in levels), int(largest_number)

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Matches of a film, a row each, so that films may have any number of boxes.

        Args:
            y_pred: predicted boxes with their scores ``(1, n, 5)``: xmin, ymin, xmax, ymax, score.
            y: true boxes ``(1, m, 4)``, on the same grid.

        Returns:
            ``(1 + n, 3 + T)`` float64: a row for the film (0, m, 0 ...), then one a box (1, score, rank, whether it
            is true at each IoU).

        Raises:
            ValueError: boxes upside down, or nan.
        """
        rows, true = y_pred[0].reshape(-1, 5).double().cpu().numpy(), y[0].cpu().numpy()
        one = match_detections([rows[:, :4]], [rows[:, 4]], [true], self.levels, None, self.largest_number)
        boxes = np.column_stack([np.ones_like(one.score), one.score, one.rank, one.hit.T])
        film = np.concatenate([[0.0, one.true_boxes[0]], np.zeros(boxes.shape[1] - 2)])
        return torch.from_numpy(np.vstack([film, boxes]))

    def _matched(self) -> MatchedDetections:
        rows = torch.as_tensor(self.get_buffer()).cpu().numpy()
        box = rows[:, 0] > 0
        hit = rows[box, 3:].T > 0
        films = np.cumsum(~box)[box] - 1
        return MatchedDetections(
            films, rows[box, 1], rows[box, 2].astype(int), hit, np.zeros_like(hit), rows[~box, 1].astype(np.int64)
        )

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Mean over IoUs, a scalar; nan where there is no true box."""
        return torch.tensor(average_precision(self._matched())[0].mean())


class DetectionAR(DetectionAP):
    """COCO's average recall of predicted boxes, mean over IoUs.

    Args:
        levels: IoUs.
        largest_number: boxes of a film that count: COCO's AR@1, AR@10, AR@100.

    Example:
        >>> metric = DetectionAR(levels=(0.5,), largest_number=1)
        >>> _ = metric([torch.tensor([[0.0, 0, 2, 2, 0.9]])], [torch.tensor([[0.0, 0, 2, 3], [8, 8, 9, 9]])])
        >>> metric.aggregate().item()
        0.5
    """

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Mean over IoUs, a scalar; nan where there is no true box."""
        return torch.tensor(average_recall(self._matched(), self.largest_number)[0].mean())
