"""Thresholds that are chosen on a selection split, with its boxes or without any."""

from __future__ import annotations

import numpy as np

from monai_tbkd.metrics.union_mask_iou import union_iou_sweep

SELECTIONS = ("boxes", "otsu", "fraction")
SCORE_SELECTIONS = ("youden", "specificity_70")
_FRACTION = 0.1
"""Share of a TB film's area that is taken for lesion where no box says it; TBX11K's TB films have 0.096 on average."""
_BINS = 512


def choose_map_threshold(
    maps: np.ndarray, masks: np.ndarray, tb: np.ndarray, selection: str = "boxes"
) -> tuple[float, str]:
    """The threshold of a predictor's maps, from films that are not reported.

    Args:
        maps: ``(N, H, W)`` of the selection split.
        masks: ``(N, H, W)`` bool, unions of the true boxes; only ``boxes`` looks at them.
        tb: ``(N,)`` bool, films with TB.
        selection: ``boxes``: the best mean union-mask IoU over the films with boxes. ``otsu``: the threshold that parts
            the values of the TB films' maps into the two most homogeneous groups (Otsu, 1979). ``fraction``: the value
            that a tenth of the TB films' pixels reach.

    Returns:
        The threshold, and how it was chosen in words.

    Raises:
        ValueError: `selection` is not known.
    """
    if selection == "boxes":
        boxed = masks.any(axis=(1, 2))
        # Quantiles, as logit-like maps crowd near 0 or 1, where an even grid would have no steps.
        candidates = np.unique(np.quantile(maps[boxed], np.linspace(0.3, 0.999, 200)))
        candidates = candidates[candidates > 0] if (candidates > 0).any() else np.array([1.0])
        iou = union_iou_sweep(maps, masks, candidates)
        best = int(np.nanmean(iou[boxed], axis=0).argmax())
        return float(candidates[best]), f"{int(boxed.sum())} TB films with boxes"
    values = maps[tb] if tb.any() else maps
    if selection == "otsu":
        return otsu_threshold(values), f"Otsu's threshold of the maps of {len(values)} TB films, no box used"
    if selection == "fraction":
        return (
            float(np.quantile(values, 1 - _FRACTION)),
            f"the value that {_FRACTION:.0%} of {len(values)} TB films' area reach, no box used",
        )
    raise ValueError(f"selection is {selection!r}; expected one of {SELECTIONS}.")


def otsu_threshold(values: np.ndarray) -> float:
    """The threshold that leaves the least variance within the values below it and those at or above it.

    Args:
        values: any shape.

    Example:
        >>> 0.2 < otsu_threshold(np.array([0.1, 0.2, 0.8, 0.9])) <= 0.8
        True
    """
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return high
    number, edges = np.histogram(values, bins=_BINS, range=(low, high))
    middle = (edges[1:] + edges[:-1]) / 2
    below, total = np.cumsum(number)[:-1], number.sum()
    sums, whole = np.cumsum(number * middle)[:-1], (number * middle).sum()
    above = total - below
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums / below - (whole - sums) / above) ** 2
    between = np.nan_to_num(between)
    # Between two groups all thresholds are alike; the middle one is taken.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-12))
    return float(edges[1 + int(best[len(best) // 2])])


def specificity_threshold(scores: np.ndarray, tb: np.ndarray, specificity: float = 0.7) -> float:
    """The lowest score threshold with at least this specificity, halfway between two scores; WHO asks for 0.7.

    Args:
        scores: one a film ``(N,)`` of 0-1.
        tb: ``(N,)`` bool, some without TB.
        specificity: that is asked for.

    Example:
        >>> round(specificity_threshold(np.array([0.1, 0.2, 0.3, 0.9]), np.array([False, False, False, True])), 3)
        0.6
    """
    edges = np.unique(scores)
    candidates = [0.0, *(edges[1:] + edges[:-1]) / 2, np.nextafter(edges[-1], np.inf)]
    return float(next(c for c in candidates if (scores[~tb] < c).mean() >= specificity - 1e-9))


def youden_threshold(scores: np.ndarray | None, tb: np.ndarray) -> float | None:
    """The score threshold with the best sensitivity plus specificity, halfway between two scores.

    Args:
        scores: one a film ``(N,)`` of 0-1, or None for a blind predictor, which has no threshold.
        tb: ``(N,)`` bool.
    """
    if scores is None:
        return None
    if not tb.any() or tb.all():
        return 0.5
    edges = np.unique(scores)
    candidates = np.concatenate([[0.0], (edges[1:] + edges[:-1]) / 2])
    value = [(scores[tb] >= c).mean() - (scores[~tb] >= c).mean() for c in candidates]
    return float(candidates[int(np.argmax(value))])


def choose_score_threshold(scores: np.ndarray | None, tb: np.ndarray, selection: str = "youden") -> float | None:
    """The score threshold of a predictor, from images that are not reported.

    Args:
        scores: one an image ``(N,)`` of 0-1, or None for a blind predictor, which has no threshold.
        tb: ``(N,)`` bool.
        selection: ``youden``, the best sensitivity plus specificity; or ``specificity_70``, the lowest threshold with a
            specificity of 70 %, WHO's profile of a triage test, which leaves fewer images with TB without a box.
    """
    if selection == "specificity_70" and scores is not None and not tb.all():
        return specificity_threshold(scores, tb)
    return youden_threshold(scores, tb)
