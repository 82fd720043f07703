"""Metrics that compare predicted boxes with true boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from monai.apps.detection.metrics.matching import matching_batch
from scipy.optimize import linear_sum_assignment

from monai_tbkd.metrics.map_metrics import refuse_nan

ACCURACY_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
COCO_LEVELS = np.linspace(0.5, 0.95, 10)
FALSE_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_RECALLS = np.linspace(0.0, 1.0, 101)  # both to the bit as pycocotools has them
_MOST_BOXES = 100

DEFINITIONS = {
    "best_box_iou": (
        "Mean over true boxes of the IoU with the predicted box that meets it best; a missed box counts 0, false boxes "
        "do not count."
    ),
    "box_accuracy": (
        "Fraction of true boxes whose best predicted box has an IoU at or above 0.1, 0.2, ... 0.7; false boxes do not "
        "count."
    ),
    "box_matched_miou": (
        "True and predicted boxes of an image are paired one to one so that the sum of IoUs is largest; that sum over "
        "pairs + missed + false boxes, so both faults count 0; boxes of all TB images pooled."
    ),
    "box_matched_miou_true": "The same sum over the number of true boxes: a missed box counts 0, a false one nothing.",
    "ap50": (
        "COCO's average precision of boxes at IoU >= 0.5: 101 recall points, at most 100 boxes an image, highest score "
        "first, one class; false boxes on images without TB count."
    ),
    "ap": "COCO's AP@[.5:.95]: the same, mean over IoU 0.50, 0.55, ... 0.95.",
    "ar": (
        "COCO's AR: fraction of true boxes found by the n highest boxes of an image, mean over IoU 0.50, "
        "0.55, ... 0.95."
    ),
    "froc": (
        "Fraction of true boxes in which the center of a predicted box lies, at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false "
        "boxes an image (center in no true box); linear between score thresholds, as monai.metrics.froc."
    ),
    "froc_without_tb": "The same against false boxes an image on images without TB alone.",
    "false_boxes_per_image_without_tb": (
        "Boxes drawn on an image without TB, mean over these images (score gate included)."
    ),
    "images_without_tb_with_false_box": (
        "Fraction of images without TB on which any box is drawn (score gate included)."
    ),
}


def box_array(boxes: object, what: str = "boxes") -> np.ndarray:
    """Check boxes and return them as ``(n, 4)`` float64: xmin, ymin, xmax, ymax; an empty list is no box.

    Raises:
        ValueError: another shape, nan, or a box whose maximum is below its minimum.
    """
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{what} have shape {array.shape}; expected (n, 4): xmin, ymin, xmax, ymax.")
    refuse_nan(array, what)
    if (array[:, 2:] < array[:, :2]).any():
        raise ValueError(f"In {what} a maximum is below its minimum; expected xmin, ymin, xmax, ymax.")
    return array


def pairwise_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the IoU of each box ``(n, 4)`` with each of another set ``(m, 4)``, half-open edges: ``(n, m)``.

    In float64: MONAI's ``box_iou`` is float32, in which an IoU of 7 / 10 is below 0.7. 0 where both have no area.
    """
    a, b = first[:, None, :], second[None, :, :]  # (n, 1, 4), (1, m, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.maximum(sides, 0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def best_box_ious(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Compute the IoU ``(m,)`` of each true box with the predicted box that meets it best; 0 where there is none."""
    overlap = pairwise_iou(box_array(true, "true boxes"), box_array(predicted, "predicted boxes"))
    return overlap.max(axis=1, initial=0.0)


def match_boxes(predicted: np.ndarray, true: np.ndarray) -> tuple[float, int]:
    """Pair the boxes of one image one to one so that the sum of IoUs is largest; return that sum and the pairs' number.

    Boxes without a partner that overlaps them are missed or false.

    Example:
        >>> match_boxes(np.array([[0, 0, 2, 4]]), np.array([[0, 0, 2, 2], [0, 2, 2, 3]]))
        (0.5, 1)
    """
    overlap = pairwise_iou(box_array(true, "true boxes"), box_array(predicted, "predicted boxes"))
    met = overlap[linear_sum_assignment(overlap, maximize=True)]
    return float(met.sum()), int((met > 0).sum())


class MatchedDetections(NamedTuple):
    """Predicted boxes of N images, each true or false at each of T IoUs; D boxes in all, in the order of the images."""

    image: np.ndarray  # (D,) int, index of the image
    score: np.ndarray  # (D,)
    hit: np.ndarray  # (T, D) bool
    true_boxes: np.ndarray  # (N,) int


def match_detections(
    predicted: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    true: Sequence[np.ndarray],
    levels: Sequence[float] | np.ndarray = COCO_LEVELS,
) -> MatchedDetections:
    """Match the boxes of each image, by MONAI's ``matching_batch``: highest score first, each true box once.

    Images are matched once and then weighted by a bootstrap. Boxes are ``(n, 4)`` per image, xyxy, half-open edges;
    beyond 100, the lowest scores are dropped. ``levels`` are IoUs.

    Raises:
        ValueError: lists of different lengths, boxes upside down, or nan.
    """
    boxes, marks, truth = _checked(predicted, scores, true)
    results = matching_batch(
        iou_fn=pairwise_iou,
        iou_thresholds=[float(level) for level in levels],
        pred_boxes=boxes,
        pred_classes=[np.zeros(len(b), dtype=int) for b in boxes],
        pred_scores=marks,
        gt_boxes=truth,
        gt_classes=[np.zeros(len(t), dtype=int) for t in truth],
        max_detections=_MOST_BOXES,
    )
    found = [(i, result[0]) for i, result in enumerate(results) if 0 in result]
    return MatchedDetections(
        image=np.repeat(np.array([i for i, _ in found], dtype=np.intp), [len(r["dtScores"]) for _, r in found]),
        score=np.concatenate([np.zeros(0), *(r["dtScores"] for _, r in found)]),
        hit=np.concatenate([np.zeros((len(levels), 0), dtype=bool), *(r["dtMatches"] > 0 for _, r in found)], axis=1),
        true_boxes=np.array([len(t) for t in truth], dtype=np.int64),
    )


def _checked(
    predicted: Sequence[np.ndarray], scores: Sequence[np.ndarray], true: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    if not len(predicted) == len(scores) == len(true):
        raise ValueError(
            f"Predicted boxes of {len(predicted)} images, scores of {len(scores)} and true boxes of {len(true)}; "
            "expected one each an image."
        )
    boxes = [box_array(b, "predicted boxes") for b in predicted]
    marks = [np.asarray(s, dtype=np.float64).reshape(-1) for s in scores]
    for i, (of, s) in enumerate(zip(boxes, marks)):
        refuse_nan(s, f"the scores of image {i} (from 0)")
        if len(s) != len(of):
            raise ValueError(f"Image {i} (from 0) has {len(of)} boxes and {len(s)} scores; expected one each.")
    return boxes, marks, [box_array(t, "true boxes") for t in true]


def average_precision(matched: MatchedDetections, weights: np.ndarray, ties_together: bool = False) -> np.ndarray:
    """Compute average precision at each IoU, ``(R, T)``, by COCO's 101 recall points; nan where there is no true box.

    In float64, as pycocotools; MONAI's ``COCOMetric`` compares recalls in float32. ``weights`` ``(R, N)`` say how often
    each image counts. With ``ties_together`` boxes of equal scores come up at once, not in the order of the images: a
    blind predictor has the same scores on every image.
    """
    order = np.argsort(-matched.score, kind="stable")
    score, image = matched.score[order], matched.image[order]
    # where each box's tie ends
    ends = np.searchsorted(-score, -score, side="right") - 1 if ties_together else np.arange(len(score))
    drawn = weights[:, image].cumsum(axis=1)  # (R, D)
    number = (weights @ matched.true_boxes)[:, None].astype(float)
    known = np.where(number > 0, number, np.nan)
    result = np.empty((len(weights), len(matched.hit)))
    for level, hit in enumerate(matched.hit[:, order]):
        hits = np.flatnonzero(hit)  # recall grows at hits alone, so precision matters only there
        at = ends[hits]
        found = weights[:, image[hits]].cumsum(axis=1)[:, np.searchsorted(hits, at, side="right") - 1]  # (R, H)
        below = drawn[:, at]
        precision = np.divide(found, below, out=np.zeros(found.shape), where=below > 0)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        # recall points that are reached first at each hit
        reached = np.searchsorted(_RECALLS, np.nan_to_num(found / known), side="right")
        result[:, level] = (envelope * np.diff(reached, axis=1, prepend=0)).sum(axis=1) / len(_RECALLS)
    return np.where(number > 0, result, np.nan)


def average_recall(matched: MatchedDetections, weights: np.ndarray) -> np.ndarray:
    """Compute the fraction of true boxes found at each IoU, ``(R, T)``; its mean over IoUs is COCO's AR@100."""
    number = (weights @ matched.true_boxes)[:, None]
    return weights[:, matched.image] @ matched.hit.T / np.where(number > 0, number, np.nan)


class FrocEvents(NamedTuple):
    """What happens as the score threshold falls, of N images; E events in all."""

    score: np.ndarray  # (E,), where it happens
    image: np.ndarray  # (E,) int, index of the image
    found: np.ndarray  # (E,) bool: a true box is found; else a false box comes up
    true_boxes: np.ndarray  # (N,) int


def froc_events(
    predicted: Sequence[np.ndarray], scores: Sequence[np.ndarray], true: Sequence[np.ndarray]
) -> FrocEvents:
    """List when each true box is found and when each false box comes up; arguments as of `match_detections`.

    A true box is found at the highest score of the predicted boxes whose center lies in it; a predicted box whose
    center is in none is false. More hits of a box that was found count nothing, as in CAMELYON16 and MONAI.
    """
    score, image, found = [np.zeros(0)], [np.zeros(0, dtype=np.intp)], [np.zeros(0, dtype=bool)]
    boxes, marks, truth = _checked(predicted, scores, true)
    for i, (p, s, t) in enumerate(zip(boxes, marks, truth)):
        center = (p[:, None, :2] + p[:, None, 2:]) / 2
        hit = ((center >= t[None, :, :2]) & (center < t[None, :, 2:])).all(axis=-1)  # (n, m)
        first = np.where(hit, s[:, None], -np.inf).max(axis=0, initial=-np.inf)
        reached, false = first[first > -np.inf], s[~hit.any(axis=1)]
        score += [reached, false]
        image.append(np.full(len(reached) + len(false), i))
        found.append(np.arange(len(reached) + len(false)) < len(reached))
    number = np.array([len(t) for t in truth], dtype=np.int64)
    return FrocEvents(np.concatenate(score), np.concatenate(image), np.concatenate(found), number)


def froc_curve(
    events: FrocEvents, weights: np.ndarray, counted: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Compute false boxes per image and the fraction of true boxes found, as the score threshold falls.

    Both ``(R, S + 1)``: from nothing drawn to everything, with a step per distinct score; nan where there is no true
    box or no image that is counted. False boxes count on the images ``counted`` ``(N,)`` alone; None: on all.
    """
    images = np.ones(weights.shape[1], dtype=bool) if counted is None else np.asarray(counted, dtype=bool)
    order = np.argsort(-events.score, kind="stable")
    score, image, found = events.score[order], events.image[order], events.found[order]
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True)[: len(score)])

    def steps(kept: np.ndarray, number: np.ndarray) -> np.ndarray:
        chosen = np.flatnonzero(kept)
        sums = np.pad(weights[:, image[chosen]].cumsum(axis=1), ((0, 0), (1, 0)))
        at = np.searchsorted(chosen, np.append(-1, last), side="right")
        return sums[:, at] / np.where(number > 0, number, np.nan)[:, None]

    return steps(~found & images[image], weights @ images), steps(found, weights @ events.true_boxes)


def froc_sensitivity(
    events: FrocEvents,
    weights: np.ndarray,
    rates: Sequence[float] = FALSE_RATES,
    counted: np.ndarray | None = None,
) -> np.ndarray:
    """Compute the fraction of true boxes found at given numbers of false boxes per image, ``(R, rates)``.

    Linear between the points of `froc_curve`; the last point where there are never so many false boxes.
    """
    false, sensitivity = froc_curve(events, weights, counted)
    return np.array([np.interp(rates, f, s) for f, s in zip(false, sensitivity)]).reshape(len(false), len(rates))
