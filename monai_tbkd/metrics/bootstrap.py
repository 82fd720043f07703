"""Bootstrap intervals over films."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """An estimate with its percentile interval."""

    value: float
    low: float
    high: float
    n: int
    """Films behind it."""

    def as_dict(self) -> dict[str, float | int | None]:
        """JSON-able; nan becomes None."""
        numbers = {k: None if np.isnan(v) else round(float(v), 6) for k, v in zip(("value", "low", "high"), self[:3])}
        return {**numbers, "n": self.n}


def resample_weights(n: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of n films is drawn in each resample, ``(resamples, n)``."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=resamples)


def bootstrap_mean(values: np.ndarray, resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Interval:
    """Mean over films with a percentile interval; nan values take no part.

    Give it differences film by film and it is a paired interval.

    Args:
        values: one number a film, ``(N,)``.
        resamples: bootstrap samples.
        level: coverage of the interval.
        seed: of the resampling.

    Returns:
        The mean, its interval and the number of films.

    Example:
        >>> bootstrap_mean(np.ones(5)).low
        1.0
    """
    return bootstrap_ratio(values, np.ones_like(np.asarray(values, dtype=float)), resamples, level, seed)


def bootstrap_ratio(
    numerator: np.ndarray, denominator: np.ndarray, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Ratio of two sums over films (such as: sum of IoUs over number of boxes) with a percentile interval.

    Args:
        numerator: one number a film, ``(N,)``; films where it is nan take no part.
        denominator: one number a film, ``(N,)``.
        resamples: bootstrap samples.
        level: coverage of the interval.
        seed: of the resampling.
    """
    top, bottom = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    valid = ~np.isnan(top)
    top, bottom = top[valid], bottom[valid]
    if len(top) == 0 or bottom.sum() == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    weights = resample_weights(len(top), resamples, seed)
    drawn = weights @ bottom
    ratios = (weights @ top)[drawn > 0] / drawn[drawn > 0]
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(top.sum() / bottom.sum()), float(low), float(high), len(top))


def bootstrap_statistic(
    statistic: Callable[[np.ndarray], float], n: int, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Any statistic of films given by index, with a percentile interval; resamples where it is nan are left out.

    Args:
        statistic: from film indices ``(m,)``, with repeats, to a number.
        n: number of films.
        resamples: bootstrap samples.
        level: coverage of the interval.
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    draws = np.array([statistic(rng.integers(0, n, n)) for _ in range(resamples)]) if n else np.array([])
    draws = draws[~np.isnan(draws)]
    if len(draws) == 0:
        return Interval(np.nan, np.nan, np.nan, n)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(statistic(np.arange(n))), float(low), float(high), n)


def area_under_roc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve by ranks, ties counted half; nan where one class is missing.

    Args:
        scores: one number a film, ``(N,)``.
        positive: bool, ``(N,)``.
    """
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    if n_pos == 0 or n_neg == 0:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2.0)[inverse]  # mean rank of ties, from 1
    return float((ranks[positive].sum() - n_pos * (n_pos + 1) / 2.0) / (n_pos * n_neg))
