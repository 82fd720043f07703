"""Share of true boxes found against false boxes a film: free-response ROC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric

from monai_tbkd.metrics.box_overlap import box_array, pairwise_iou
from monai_tbkd.metrics.refuse_nan import refuse_nan

FALSE_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)

DEFINITIONS = {
    "froc": (
        "Share of true boxes in which the center of a predicted box lies, at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false boxes "
        "a film (center in no true box); linear between score thresholds, as monai.metrics.froc."
    ),
    "froc_without_tb": "The same against false boxes a film on films without TB alone.",
}


class FrocEvents(NamedTuple):
    """What happens as the score threshold falls, of N films; E events in all."""

    score: np.ndarray
    """``(E,)``, where it happens."""
    film: np.ndarray
    """``(E,)`` int, index of the film."""
    found: np.ndarray
    """``(E,)`` bool: a true box is found; else a false box comes up."""
    true_boxes: np.ndarray
    """``(N,)`` int."""


def froc_events(
    predicted: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    true: Sequence[np.ndarray],
    overlap: float | None = None,
) -> FrocEvents:
    """When each true box is found and when each false box comes up.

    A true box is found at the highest score of the predicted boxes that hit it; a predicted box that hits none is
    false. More hits of a box that was found neither add nor count as false (so in CAMELYON16 and MONAI).

    Args:
        predicted: ``(n, 4)`` a film, xyxy, half-open edges.
        scores: ``(n,)`` a film.
        true: ``(m, 4)`` a film, on the same grid; ``(0, 4)`` for films without TB.
        overlap: the IoU at or above which a box is hit; None: where its center lies in the true box.

    Raises:
        ValueError: lists of different lengths, boxes upside down, or nan.

    Example:
        >>> froc_events([np.array([[0, 0, 2, 2], [8, 8, 9, 9]])], [np.array([0.9, 0.4])], [np.array([[0, 0, 4, 4]])])
        FrocEvents(score=array([0.9, 0.4]), film=array([0, 0]), found=array([ True, False]), true_boxes=array([1]))
    """
    if not len(predicted) == len(scores) == len(true):
        raise ValueError(
            f"Predicted boxes of {len(predicted)} films, scores of {len(scores)} and true boxes of {len(true)}; "
            "expected one each a film."
        )
    score, film, found = [np.zeros(0)], [np.zeros(0, dtype=np.intp)], [np.zeros(0, dtype=bool)]
    true_boxes = np.zeros(len(true), dtype=np.int64)
    for i, (boxes, marks, truth) in enumerate(zip(predicted, scores, true)):
        p, t = box_array(boxes, "predicted boxes"), box_array(truth, "true boxes")
        s = np.asarray(marks, dtype=np.float64).reshape(-1)
        refuse_nan(s, f"the scores of film {i} (from 0)")
        if len(s) != len(p):
            raise ValueError(f"Film {i} (from 0) has {len(p)} boxes and {len(s)} scores; expected one each.")
        hit = _center_in(p, t) if overlap is None else pairwise_iou(p, t) >= overlap  # (n, m)
        first = np.where(hit, s[:, None], -np.inf).max(axis=0, initial=-np.inf)
        reached, false = first[first > -np.inf], s[~hit.any(axis=1)]
        score += [reached, false]
        film.append(np.full(len(reached) + len(false), i))
        found.append(np.arange(len(reached) + len(false)) < len(reached))
        true_boxes[i] = len(t)
    return FrocEvents(np.concatenate(score), np.concatenate(film), np.concatenate(found), true_boxes)


def _center_in(boxes: np.ndarray, true: np.ndarray) -> np.ndarray:
    center = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    inside: np.ndarray = ((center >= true[None, :, :2]) & (center < true[None, :, 2:])).all(axis=-1)
    return inside


def froc_curve(
    events: FrocEvents, weights: np.ndarray | None = None, counted: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """False boxes a film and share of true boxes found, as the score threshold falls.

    Args:
        events: :func:`froc_events`.
        weights: ``(R, N)``, how often each film counts; None counts each once (R = 1).
        counted: ``(N,)`` bool, films whose false boxes count and over which they are averaged; None: all.

    Returns:
        Both ``(R, S + 1)``: from nothing drawn to everything, with a step a distinct score; nan where there is no
        true box or no film that is counted.
    """
    w = np.ones((1, len(events.true_boxes))) if weights is None else np.asarray(weights, dtype=np.float64)
    films = np.ones(w.shape[1], dtype=bool) if counted is None else np.asarray(counted, dtype=bool)
    order = np.argsort(-events.score, kind="stable")
    score, film, found = events.score[order], events.film[order], events.found[order]
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True)) if len(score) else np.zeros(0, dtype=np.intp)
    each = w[:, film]

    def steps(kept: np.ndarray, number: np.ndarray) -> np.ndarray:
        sums = (each * kept).cumsum(axis=1)[:, last]
        return np.pad(sums, ((0, 0), (1, 0))) / np.where(number > 0, number, np.nan)[:, None]

    return steps(~found & films[film], w @ films), steps(found, w @ events.true_boxes)


def froc_sensitivity(
    events: FrocEvents,
    rates: Sequence[float] = FALSE_RATES,
    weights: np.ndarray | None = None,
    counted: np.ndarray | None = None,
) -> np.ndarray:
    """Share of true boxes found at given numbers of false boxes a film.

    Linear between the points of the curve, and where there are never so many false boxes, what is found in all.

    Args:
        events: :func:`froc_events`.
        rates: false boxes a film.
        weights: see :func:`froc_curve`.
        counted: see :func:`froc_curve`.

    Returns:
        ``(R, rates)``; the mean over rates is the FROC score.
    """
    false, sensitivity = froc_curve(events, weights, counted)
    return np.array([np.interp(rates, f, s) for f, s in zip(false, sensitivity)]).reshape(len(false), len(rates))


class FROC(CumulativeIterationMetric):
    """Share of true boxes found at given numbers of false boxes a film.

    Args:
        rates: false boxes a film.
        overlap: the IoU at or above which a box is hit; None: where its center lies in the true box.
        only_without_boxes: count false boxes on films without true boxes alone.

    Example:
        >>> metric = FROC(rates=(1.0,))
        >>> _ = metric([torch.tensor([[0.0, 0, 2, 2, 0.9]])], [torch.tensor([[0.0, 0, 4, 4], [8, 8, 9, 9]])])
        >>> metric.aggregate().tolist()
        [0.5]
    """

    def __init__(
        self,
        rates: Sequence[float] = FALSE_RATES,
        overlap: float | None = None,
        only_without_boxes: bool = False,
    ) -> None:
        super().__init__()
        self.rates, self.overlap, self.only_without_boxes = tuple(rates), overlap, only_without_boxes

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Events of a film, a row each, so that films may have any number of boxes.

        Args:
            y_pred: predicted boxes with their scores ``(1, n, 5)``: xmin, ymin, xmax, ymax, score.
            y: true boxes ``(1, m, 4)``, on the same grid.

        Returns:
            ``(1 + events, 2)`` float64: a row for the film (0, m), then for a box found (1, score) or false
            (2, score).

        Raises:
            ValueError: boxes upside down, or nan.
        """
        rows = y_pred[0].reshape(-1, 5).double().cpu().numpy()
        one = froc_events([rows[:, :4]], [rows[:, 4]], [y[0].cpu().numpy()], self.overlap)
        events = np.column_stack([np.where(one.found, 1.0, 2.0), one.score])
        return torch.from_numpy(np.vstack([[0.0, one.true_boxes[0]], events]))

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Share found at each rate ``(rates,)``; nan where there is no true box."""
        kind, value = torch.as_tensor(self.get_buffer()).cpu().numpy().T
        films = kind == 0
        number = value[films].astype(np.int64)
        events = FrocEvents(value[~films], np.cumsum(films)[~films] - 1, kind[~films] == 1, number)
        counted = number == 0 if self.only_without_boxes else None
        return torch.from_numpy(froc_sensitivity(events, self.rates, counted=counted)[0])
