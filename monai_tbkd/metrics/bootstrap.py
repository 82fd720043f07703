"""Bootstrap intervals over films, or over patients where they are known."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
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


def group_codes(groups: Sequence[Hashable | None] | None, n: int) -> np.ndarray:
    """Number the groups that films belong to, in the order of their first film.

    Films of one patient are alike, so an interval that takes them for independent is too narrow. Drawing whole patients
    mends that.

    Args:
        groups: a patient id a film, ``(n,)``; a film whose id is None or empty is a group of its own. None: every film
            is.
        n: number of films.

    Returns:
        ``(n,)`` of 0 to the number of groups - 1.

    Raises:
        ValueError: not one id a film.

    Example:
        >>> group_codes(["p1", None, "p1", ""], 4)
        array([0, 1, 0, 2])
    """
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise ValueError(f"{len(groups)} patient ids for {n} films; expected one a film (None where it is not known).")
    codes: dict[Hashable, int] = {}
    keys = (("film", i) if group in (None, "") else ("patient", group) for i, group in enumerate(groups))
    return np.array([codes.setdefault(key, len(codes)) for key in keys], dtype=np.int64)


def resample_weights(n: int, resamples: int, seed: int, groups: Sequence[Hashable | None] | None = None) -> np.ndarray:
    """How often each of n films is drawn in each resample, ``(resamples, n)``.

    Args:
        n: number of films.
        resamples: bootstrap samples.
        seed: of the resampling.
        groups: a patient id a film; whole patients are drawn, so that their films have equal weights. See
            `group_codes`.
    """
    codes = group_codes(groups, n)
    number = int(codes.max()) + 1 if n else 0
    drawn = np.random.default_rng(seed).multinomial(number, np.full(number, 1.0 / max(number, 1)), size=resamples)
    return drawn if groups is None else drawn[:, codes]


def bootstrap_mean(
    values: np.ndarray,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    groups: Sequence[Hashable | None] | None = None,
) -> Interval:
    """Mean over films with a percentile interval; nan values take no part.

    Give it differences film by film and it is a paired interval.

    Args:
        values: one number a film, ``(N,)``.
        resamples: bootstrap samples.
        level: coverage of the interval.
        seed: of the resampling.
        groups: a patient id a film, ``(N,)``, see `group_codes`.

    Returns:
        The mean, its interval and the number of films.

    Example:
        >>> bootstrap_mean(np.ones(5)).low
        1.0
    """
    ones = np.ones_like(np.asarray(values, dtype=float))
    return bootstrap_ratio(values, ones, resamples, level, seed, groups)


def bootstrap_ratio(
    numerator: np.ndarray,
    denominator: np.ndarray,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    groups: Sequence[Hashable | None] | None = None,
) -> Interval:
    """Ratio of two sums over films (such as: sum of IoUs over number of boxes) with a percentile interval.

    Args:
        numerator: one number a film, ``(N,)``; films where it is nan take no part.
        denominator: one number a film, ``(N,)``.
        resamples: bootstrap samples.
        level: coverage of the interval.
        seed: of the resampling.
        groups: a patient id a film, ``(N,)``, see `group_codes`.
    """
    top, bottom = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    valid = ~np.isnan(top)
    top, bottom = top[valid], bottom[valid]
    if len(top) == 0 or bottom.sum() == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    kept = None if groups is None else [group for group, use in zip(groups, valid, strict=True) if use]
    weights = resample_weights(len(top), resamples, seed, kept)
    drawn = weights @ bottom
    ratios = (weights @ top)[drawn > 0] / drawn[drawn > 0]
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(top.sum() / bottom.sum()), float(low), float(high), len(top))


def bootstrap_statistic(
    statistic: Callable[[np.ndarray], float],
    n: int,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    groups: Sequence[Hashable | None] | None = None,
) -> Interval:
    """Any statistic of films given by index, with a percentile interval; resamples where it is nan are left out.

    A statistic that can be told from film weights is many times faster with
    :func:`~monai_tbkd.metrics.weighted_bootstrap.bootstrap_weighted`.

    Args:
        statistic: from film indices ``(m,)``, with repeats, to a number.
        n: number of films.
        resamples: bootstrap samples.
        level: coverage of the interval.
        seed: of the resampling.
        groups: a patient id a film, ``(n,)``, see `group_codes`.
    """
    codes = group_codes(groups, n)
    members = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)] if groups is not None and n else None
    rng = np.random.default_rng(seed)

    def draw() -> np.ndarray:
        if members is None:
            return rng.integers(0, n, n)
        return np.concatenate([members[code] for code in rng.integers(0, len(members), len(members))])

    draws = np.array([statistic(draw()) for _ in range(resamples)]) if n else np.array([])
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
