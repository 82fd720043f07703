"""Thresholds that are chosen on one set of images and used on others."""

from __future__ import annotations

import re

import numpy as np
import torch

from monai_tbkd.metrics.map_metrics import union_iou_sweep
from monai_tbkd.transforms.map_to_boxes import in_mode

SELECTIONS = ("boxes", "otsu", "fraction")
SCORE_SELECTIONS = ("youden", "specificity_70")
_FRACTION = 0.08
"""Fraction of a TB image that is above a map threshold where no box says it.

Boxes around these regions cover about a tenth of the image, as TBX11K's boxes do (0.096 on average)."""
_BINS = 512
_TOLERANCE = 1e-9


def maps_in_mode(maps: np.ndarray, mode: str) -> np.ndarray:
    """Bring maps ``(N, H, W)`` of 0-1 to the scale that thresholds of a mode are on."""
    return in_mode(torch.from_numpy(maps), mode).numpy()


def choose_map_threshold(
    maps: np.ndarray, masks: np.ndarray, tb: np.ndarray, selection: str = "boxes"
) -> tuple[float, str]:
    """Choose the threshold of a predictor's maps ``(N, H, W)`` on images that are not reported.

    ``boxes``: the best mean union-mask IoU over the images with boxes. ``otsu``: Otsu's threshold of the TB images'
    maps. ``fraction``: the value that 8 % of the TB images' pixels reach.

    Returns:
        The threshold, and how it was chosen in words.
    """
    if selection == "boxes":
        boxed = masks.any(axis=(1, 2))
        # Quantiles, as logit-like maps crowd near 0 or 1, where an even grid would have no steps.
        candidates = np.unique(np.quantile(maps[boxed], np.linspace(0.3, 0.999, 200)))
        candidates = candidates[candidates > 0] if (candidates > 0).any() else np.array([1.0])
        iou = union_iou_sweep(maps, masks, candidates)
        best = int(np.nanmean(iou[boxed], axis=0).argmax())
        return float(candidates[best]), f"{int(boxed.sum())} TB images with boxes"
    values = maps[tb] if tb.any() else maps
    if selection == "otsu":
        return otsu_threshold(values), f"Otsu's threshold of the maps of {len(values)} TB images, no box used"
    how = f"the value that {_FRACTION:.0%} of {len(values)} TB images' area reach, no box used"
    return float(np.quantile(values, 1 - _FRACTION)), how


def otsu_threshold(values: np.ndarray) -> float:
    """Compute the threshold with the least variance within the values on either side of it (Otsu, 1979)."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return high
    number, edges = np.histogram(values, bins=_BINS, range=(low, high))
    middle = (edges[1:] + edges[:-1]) / 2
    below, total = np.cumsum(number)[:-1], number.sum()
    sums, whole = np.cumsum(number * middle)[:-1], (number * middle).sum()
    above = total - below
    with np.errstate(invalid="ignore", divide="ignore"):
        between = np.nan_to_num(below * above * (sums / below - (whole - sums) / above) ** 2)
    # Between two groups all thresholds are alike; the middle one is taken.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-12))
    return float(edges[1 + int(best[len(best) // 2])])


def choose_score_threshold(scores: np.ndarray | None, tb: np.ndarray, selection: str = "youden") -> float | None:
    """Choose the score threshold of a predictor on images that are not reported.

    ``youden``: the best sensitivity plus specificity; ``specificity_70``: the lowest threshold with a specificity of
    70 %, WHO's profile of a triage test. None for a blind predictor, which has no scores.
    """
    if scores is None:
        return None
    if selection == "specificity_70" and not tb.all():
        return specificity_threshold(scores, tb)
    return _pick(scores, tb, "youden") if tb.any() and not tb.all() else 0.5


def specificity_threshold(scores: np.ndarray, tb: np.ndarray, specificity: float = 0.7) -> float:
    """Compute the lowest score threshold with at least this specificity, halfway between two scores."""
    above_all = float(np.nextafter(np.max(scores), np.inf))
    return _pick(scores, tb, "specificity", specificity, above_all)


def choose_threshold(scores: np.ndarray, positive: np.ndarray, target: str = "sensitivity=0.9") -> float:
    """Choose the threshold that reaches a target with as little loss as possible, halfway between two scores.

    Args:
        scores: 0-100, ``(n,)``, without nan.
        positive: which images have TB, bool ``(n,)``.
        target: ``"sensitivity=0.9"`` (the highest threshold with at least this sensitivity), ``"specificity=0.7"``
            (the lowest one with at least this specificity), or ``"youden"`` (the best sum of both; of equal ones the
            lowest).

    Raises:
        ValueError: a target that is not understood or cannot be reached, or one of the two classes is missing.
    """
    match = re.fullmatch(r"youden|(?:sensitivity|specificity)=(0?\.\d+|1(?:\.0*)?)", target.strip())
    if match is None or (match[1] and not float(match[1]) > 0):
        raise ValueError(f"target is {target!r}; expected sensitivity=0.9, specificity=0.7 (0 to 1), or youden.")
    scores, positive = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    if not positive.any() or positive.all():
        raise ValueError("A threshold needs images with TB and images without; give both.")
    highest = float(scores.max())
    above_all = (highest + 100) / 2 if highest < 100 else None
    return _pick(scores, positive, target.strip().partition("=")[0], float(match[1] or 0), above_all)


def _pick(
    scores: np.ndarray, positive: np.ndarray, kind: str, wanted: float = 0.0, above_all: float | None = None
) -> float:
    """The best candidate halfway between two scores, as written scores are rounded; the first is 0."""
    distinct = np.unique(scores)
    last = [] if above_all is None else [above_all]
    candidates = np.concatenate([[0.0], (distinct[1:] + distinct[:-1]) / 2, last])

    def at_or_above(some: np.ndarray) -> np.ndarray:
        return (len(some) - np.searchsorted(np.sort(some), candidates)) / max(len(some), 1)

    sensitivity, false = at_or_above(scores[positive]), at_or_above(scores[~positive])
    if kind == "youden":
        return float(candidates[(sensitivity - false).argmax()])
    reached = candidates[(sensitivity if kind == "sensitivity" else 1 - false) >= wanted - _TOLERANCE]
    if not len(reached):
        raise ValueError(
            f"No threshold reaches {kind}={wanted:g} (images without TB score as high as any); choose a lower target."
        )
    return float(reached[-1] if kind == "sensitivity" else reached[0])
