"""How well a score for the whole film tells tuberculosis from its absence."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric

from monai_tbkd.metrics.bootstrap import Interval
from monai_tbkd.metrics.weighted_bootstrap import Statistic, bootstrap_draws, interval_of_draws, jackknife

_TOLERANCE = 1e-9  # 9 of 10 is a sensitivity of 90 %, whatever floating point makes of it


class ScoreCounts(NamedTuple):
    """How many films with and without TB have each score; all metrics of this file are told from it."""

    scores: np.ndarray
    """The U different scores, ascending, ``(U,)``."""
    positive: np.ndarray
    """Films with TB at each, ``(..., U)``."""
    negative: np.ndarray
    """Films without, ``(..., U)``."""


def count_scores(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> ScoreCounts:
    """Count films by score.

    Args:
        scores: one a film, ``(n,)``.
        positive: which films have TB, bool ``(n,)``.
        weights: how often each film counts, ``(B, n)``, for B resamples at once; None counts each once.

    Raises:
        ValueError: lengths differ, there is no film, or a score is not finite.
    """
    scores, positive = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    if scores.shape != positive.shape or scores.ndim != 1 or len(scores) == 0:
        raise ValueError(
            f"Scores of shape {scores.shape} and labels of shape {positive.shape}; expected one of each a film, (n,)."
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} scores are not finite; leave films without a score out.")
    order = np.argsort(scores, kind="stable")
    distinct, starts = np.unique(scores[order], return_index=True)
    counts = np.ones(len(scores), dtype=np.int64) if weights is None else weights
    tb = np.add.reduceat((counts * positive)[..., order], starts, axis=-1)
    rest = np.add.reduceat((counts * ~positive)[..., order], starts, axis=-1)
    return ScoreCounts(distinct, tb, rest)


def roc_auc(counts: ScoreCounts) -> np.ndarray:
    """Chance that a film with TB scores higher than one without, ties counted half, ``(...,)``."""
    below = np.cumsum(counts.negative, axis=-1) - counts.negative / 2
    pairs = counts.positive.sum(-1) * counts.negative.sum(-1)
    return _divide((counts.positive * below).sum(-1), pairs)


def average_precision(counts: ScoreCounts) -> np.ndarray:
    """Area under the precision-recall curve in steps, without interpolation, ``(...,)``.

    It depends on the share of TB films: compare it on the same films only.
    """
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
    """One metric as a statistic of film weights, for paired differences and several seeds.

    Args:
        metric: a name of `IMAGE_LEVEL`.
        scores: 0-1, ``(n,)``.
        positive: which films have TB, bool ``(n,)``.

    Returns:
        From weights ``(B, n)`` to ``(B,)``; nan where a resample lacks one of the two classes.

    Example:
        >>> auc = weighted_image_level("auc", np.array([0.1, 0.9]), np.array([False, True]))
        >>> auc(np.array([[1, 1], [2, 0]]))
        array([ 1., nan])
    """
    function = _named(metric)
    return lambda weights: function(count_scores(scores, positive, weights))


def image_level_metrics(
    scores: np.ndarray,
    positive: np.ndarray,
    groups: Sequence[Hashable | None] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Every metric of `IMAGE_LEVEL` with its BCa interval.

    Each resample chooses its own threshold for the two points of WHO's profile, so their intervals hold what
    choosing it adds.

    Args:
        scores: 0-1, ``(n,)``.
        positive: which films have TB, bool ``(n,)``.
        groups: a patient id a film, ``(n,)``; whole patients are drawn.
        resamples: bootstrap samples.
        level: coverage of the intervals.
        seed: of the resampling.

    Raises:
        ValueError: lengths differ, no film, or a score outside 0-1.

    Example:
        >>> image_level_metrics(np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 0, 1, 1]) > 0)["auc"].value
        1.0
    """
    scores = np.asarray(scores, dtype=float)
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError(f"Scores from {scores.min():g} to {scores.max():g}; expected probabilities of 0-1.")

    def all_of_them(weights: np.ndarray) -> np.ndarray:
        counts = count_scores(scores, positive, weights)
        return np.stack([metric(counts) for metric in IMAGE_LEVEL.values()], axis=-1)

    n = len(scores)
    whole = all_of_them(np.ones((1, n), dtype=np.int64))[0]
    draws = bootstrap_draws(all_of_them, n, resamples, seed, groups)
    left_out = jackknife(all_of_them, n, groups)
    return {
        name: interval_of_draws(draws[:, i], float(whole[i]), n, level, left_out[:, i])
        for i, name in enumerate(IMAGE_LEVEL)
    }


class ImageLevelMetric(CumulativeIterationMetric):
    """One image-level metric of a whole split, for MONAI engines.

    Args:
        metric: a name of `IMAGE_LEVEL`: ``auc``, ``pr_auc``, ``sensitivity_at_specificity_70``,
            ``specificity_at_sensitivity_90`` or ``brier``.

    Raises:
        ValueError: another name.

    Example:
        >>> auc = ImageLevelMetric("auc")
        >>> _ = auc(torch.tensor([[0.2], [0.7]]), torch.tensor([[0], [1]]))
        >>> auc.aggregate()
        tensor(1.)
    """

    def __init__(self, metric: str = "auc") -> None:
        super().__init__()
        self.metric = metric
        self._function = _named(metric)

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Keep score and label of each film.

        Args:
            y_pred: TB scores of 0-1, ``(B, 1)``.
            y: 1 for TB and 0 for all else, ``(B, 1)``.

        Returns:
            ``(B, 2)``.

        Raises:
            ValueError: other shapes.
        """
        if y_pred.shape != y.shape or y_pred.ndim != 2 or y_pred.shape[1] != 1:
            raise ValueError(
                f"Scores of shape {tuple(y_pred.shape)} and labels of shape {tuple(y.shape)}; expected (B, 1) each."
            )
        return torch.cat([y_pred.float(), y.to(y_pred.device).float()], dim=1)

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """The metric of all films, a scalar; nan where one of the two classes is missing."""
        films = torch.as_tensor(self.get_buffer()).cpu().numpy()
        return torch.tensor(float(self._function(count_scores(films[:, 0], films[:, 1] > 0.5))))


def _named(metric: str) -> Callable[[ScoreCounts], np.ndarray]:
    if metric not in IMAGE_LEVEL:
        raise ValueError(f"metric is {metric!r}; expected one of {', '.join(IMAGE_LEVEL)}.")
    return IMAGE_LEVEL[metric]


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
