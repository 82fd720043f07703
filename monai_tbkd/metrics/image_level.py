"""How well a score for the whole image separates tuberculosis from its absence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from monai_tbkd.metrics.bootstrap import Groups, Interval, Statistic, bootstrap_intervals

_TOLERANCE = 1e-9  # 9 of 10 is a sensitivity of 90 %, whatever floating point makes of it


class ScoreCounts(NamedTuple):
    """How many images with and without TB have each score; every metric of this file is computed from it."""

    scores: np.ndarray  # the U different scores, ascending, (U,)
    positive: np.ndarray  # images with TB at each, (..., U)
    negative: np.ndarray  # images without, (..., U)


def count_scores(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> ScoreCounts:
    """Count images by score; with weights ``(B, n)``, how often each image counts, for B resamples at once.

    Raises:
        ValueError: lengths differ, there is no image, or a score is not finite.
    """
    scores, positive = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    if scores.shape != positive.shape or scores.ndim != 1 or len(scores) == 0:
        raise ValueError(
            f"Scores of shape {scores.shape} and labels of shape {positive.shape}; expected one of each an image, (n,)."
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            f"{int((~np.isfinite(scores)).sum())} scores are not finite; leave images without a score out."
        )
    order = np.argsort(scores, kind="stable")
    distinct, starts = np.unique(scores[order], return_index=True)
    counts = np.ones(len(scores)) if weights is None else weights
    tb, rest = (np.add.reduceat((counts * part)[..., order], starts, axis=-1) for part in (positive, ~positive))
    return ScoreCounts(distinct, tb, rest)


def roc_auc(counts: ScoreCounts) -> np.ndarray:
    """Chance that an image with TB scores higher than one without, ties counted half, ``(...,)``."""
    below = np.cumsum(counts.negative, axis=-1) - counts.negative / 2
    pairs = counts.positive.sum(-1) * counts.negative.sum(-1)
    return _divide((counts.positive * below).sum(-1), pairs)


def average_precision(counts: ScoreCounts) -> np.ndarray:
    """Compute the area under the precision-recall curve in steps; it depends on the fraction of TB images."""
    found, false = _at_or_above(counts.positive), _at_or_above(counts.negative)
    precision = np.divide(found, found + false, out=np.zeros(found.shape), where=found + false > 0)
    return _divide((counts.positive * precision).sum(-1), counts.positive.sum(-1))


def sensitivity_at_specificity(counts: ScoreCounts, specificity: float = 0.7) -> np.ndarray:
    """Best sensitivity of all thresholds with at least this specificity, ``(...,)``; 0.7 is WHO's minimum."""
    true, false = _rates(counts)
    return _nan_where_undefined(np.where(1 - false >= specificity - _TOLERANCE, true, 0.0).max(-1), counts)


def specificity_at_sensitivity(counts: ScoreCounts, sensitivity: float = 0.9) -> np.ndarray:
    """Best specificity of all thresholds with at least this sensitivity, ``(...,)``; 0.9 is WHO's minimum."""
    true, false = _rates(counts)
    return _nan_where_undefined(np.where(true >= sensitivity - _TOLERANCE, 1 - false, 0.0).max(-1), counts)


def brier_score(counts: ScoreCounts) -> np.ndarray:
    """Mean square of score minus label (1 for TB), scores of 0-1, ``(...,)``; 0 is best."""
    squares = counts.positive * (counts.scores - 1) ** 2 + counts.negative * counts.scores**2
    return _divide(squares.sum(-1), (counts.positive + counts.negative).sum(-1))


IMAGE_LEVEL: Mapping[str, Callable[[ScoreCounts], np.ndarray]] = {
    "auc": roc_auc,
    "pr_auc": average_precision,
    "sensitivity_at_specificity_70": sensitivity_at_specificity,
    "specificity_at_sensitivity_90": specificity_at_sensitivity,
    "brier": brier_score,
}
"""By name; WHO asks of a triage or screening test a sensitivity of 90 % at a specificity of 70 % or more (High-priority
target product profiles for new tuberculosis diagnostics, 2014)."""


def weighted_image_level(metric: str, scores: np.ndarray, positive: np.ndarray) -> Statistic:
    """Make a metric of `IMAGE_LEVEL` a statistic of image weights; nan where a resample lacks one of the classes."""
    return lambda weights: IMAGE_LEVEL[metric](count_scores(scores, positive, weights))


def image_level_metrics(
    scores: np.ndarray, positive: np.ndarray, groups: Groups = None, resamples: int = 2000, seed: int = 0
) -> dict[str, Interval]:
    """Compute every metric of `IMAGE_LEVEL` of scores of 0-1 ``(n,)`` with its BCa interval.

    Each resample chooses its own threshold for the two points of WHO's profile.

    Raises:
        ValueError: lengths differ, no image, or a score outside 0-1.
    """
    scores = np.asarray(scores, dtype=float)
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError(f"Scores from {scores.min():g} to {scores.max():g}; expected probabilities of 0-1.")

    def all_of_them(weights: np.ndarray) -> np.ndarray:
        counts = count_scores(scores, positive, weights)
        return np.stack([metric(counts) for metric in IMAGE_LEVEL.values()], axis=-1)

    intervals = bootstrap_intervals(all_of_them, len(scores), resamples, seed, groups, bca=True)
    return dict(zip(IMAGE_LEVEL, intervals, strict=True))


def _at_or_above(counts: np.ndarray) -> np.ndarray:
    return np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]


def _rates(counts: ScoreCounts) -> tuple[np.ndarray, np.ndarray]:
    """True and false positive rate with each score as threshold, ``(..., U)``; nan where a class is missing."""
    found, false = _at_or_above(counts.positive), _at_or_above(counts.negative)
    return _divide(found, found[..., :1]), _divide(false, false[..., :1])


def _nan_where_undefined(values: np.ndarray, counts: ScoreCounts) -> np.ndarray:
    both = (counts.positive.sum(-1) > 0) & (counts.negative.sum(-1) > 0)
    return np.where(both, values, np.nan)


def _divide(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    top, bottom = np.broadcast_arrays(np.asarray(top, dtype=float), np.asarray(bottom, dtype=float))
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
