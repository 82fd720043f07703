"""Bootstrap of statistics that can be told from film weights: many resamples at once, BCa, paired differences."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np
from scipy.special import ndtr, ndtri

from monai_tbkd.metrics.bootstrap import Interval, group_codes

Statistic = Callable[[np.ndarray], np.ndarray]
"""From film weights ``(B, n)`` (how often each film counts) to ``(B,)`` numbers, or ``(B, m)`` for m of them."""

_CELLS_AT_ONCE = 4_000_000  # weights in memory at a time: 32 MB
_MOST_BLOCKS = 1000
METHODS = ("percentile", "bca")


def weighted_mean(values: np.ndarray) -> Statistic:
    """The mean of a number a film as a statistic of film weights; films where it is nan take no part.

    Args:
        values: ``(n,)``.
    """
    return weighted_ratio(values, np.ones(len(values)))


def weighted_ratio(numerator: np.ndarray, denominator: np.ndarray) -> Statistic:
    """The ratio of two sums over films as a statistic of film weights; films where the numerator is nan take no part.

    Args:
        numerator: ``(n,)``, or ``(n, m)`` for m ratios.
        denominator: of the same shape.
    """
    top, bottom = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    valid = ~np.isnan(top)
    top, bottom = np.where(valid, top, 0.0), np.where(valid, bottom, 0.0)

    def ratio(weights: np.ndarray) -> np.ndarray:
        over, under = weights @ top, weights @ bottom
        return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)

    return ratio


def bootstrap_weighted(
    statistic: Statistic,
    n: int,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    groups: Sequence[Hashable | None] | None = None,
    method: str = "percentile",
) -> Interval:
    """A statistic of film weights with its interval; resamples where it is nan are left out.

    Args:
        statistic: from weights ``(B, n)`` to ``(B,)``.
        n: number of films.
        resamples: bootstrap samples.
        level: coverage of the interval.
        seed: of the resampling.
        groups: a patient id a film, ``(n,)``; whole patients are drawn.
        method: ``"percentile"``, or ``"bca"`` (bias-corrected and accelerated, better for skewed statistics such as an
            AUC near 1).

    Returns:
        The statistic of all films, its interval and the number of films.

    Raises:
        ValueError: the method is not known.

    Example:
        >>> bootstrap_weighted(weighted_mean(np.array([1.0, 2.0, 3.0])), 3).value
        2.0
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; expected one of {METHODS}.")
    draws = bootstrap_draws(statistic, n, resamples, seed, groups)
    left_out = jackknife(statistic, n, groups) if method == "bca" else None
    return interval_of_draws(draws, float(statistic(np.ones((1, n)))[0]), n, level, left_out)


def bootstrap_draws(
    statistic: Statistic,
    n: int,
    resamples: int = 2000,
    seed: int = 0,
    groups: Sequence[Hashable | None] | None = None,
) -> np.ndarray:
    """A statistic in each resample.

    Statistics with the same n, seed and groups see the same resamples, so their draws may be subtracted: a paired
    difference.

    Returns:
        ``(resamples,)``, or ``(resamples, m)``.
    """
    codes = group_codes(groups, n)
    number = int(codes.max()) + 1
    rng, chances = np.random.default_rng(seed), np.full(number, 1.0 / number)
    drawn = (rng.multinomial(number, chances, size=len(rows))[:, codes] for rows in _batches(resamples, n))
    return np.concatenate([statistic(weights) for weights in drawn])


def jackknife(statistic: Statistic, n: int, groups: Sequence[Hashable | None] | None = None) -> np.ndarray:
    """A statistic with one film, or one patient, left out at a time.

    Above 1000 of them, they are left out in 1000 random blocks: the acceleration, which this is for, is of the order of
    1/sqrt(n) and sums over films, so blocks give the same up to noise.

    Returns:
        ``(min(number of groups, 1000),)``, or ``(..., m)``.
    """
    codes = group_codes(groups, n)
    number = int(codes.max()) + 1
    if number > _MOST_BLOCKS:
        codes = (np.random.default_rng(0).permutation(number) % _MOST_BLOCKS)[codes]
        number = _MOST_BLOCKS
    return np.concatenate([statistic((codes != rows[:, None]).astype(np.int64)) for rows in _batches(number, n)])


def interval_of_draws(
    draws: np.ndarray, value: float, n: int, level: float = 0.95, left_out: np.ndarray | None = None
) -> Interval:
    """From the draws of a bootstrap to an interval.

    Args:
        draws: the statistic in each resample; nan is left out.
        value: the statistic of all films.
        n: number of films.
        level: coverage of the interval.
        left_out: of `jackknife`, for a BCa interval; None for a percentile interval.
    """
    draws = draws[~np.isnan(draws)]
    if len(draws) == 0 or np.isnan(value):
        return Interval(value, np.nan, np.nan, n)
    limits = None if left_out is None else bca_limits(draws, value, left_out, level)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]) if limits is None else limits
    return Interval(value, float(low), float(high), n)


def bca_limits(draws: np.ndarray, value: float, left_out: np.ndarray, level: float) -> tuple[float, float] | None:
    """Bias-corrected and accelerated limits (Efron, "Better Bootstrap Confidence Intervals", JASA 1987).

    The same as ``scipy.stats.bootstrap(method="BCa")`` for the same draws.

    Returns:
        Low and high, or None where they are not defined: the value lies beyond all draws, or leaving out one film never
        changes it.
    """
    left_out = left_out[~np.isnan(left_out)]
    bias = float(ndtri(((draws < value).mean() + (draws <= value).mean()) / 2))
    deviation = left_out.mean() - left_out
    squares = float((deviation**2).sum())
    if not np.isfinite(bias) or squares == 0:
        return None
    acceleration = float((deviation**3).sum()) / (6 * squares**1.5)
    shifted = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(draws, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)


def paired_differences(
    statistics: Mapping[str, Statistic],
    n: int,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    groups: Sequence[Hashable | None] | None = None,
) -> dict[str, dict[str, Interval]]:
    """Every predictor minus every other, both on the same films of each resample.

    Args:
        statistics: by predictor, each from weights ``(B, n)`` to ``(B,)``.
        n: number of films.
        resamples: bootstrap samples.
        level: coverage of the intervals.
        seed: of the resampling.
        groups: a patient id a film, ``(n,)``.

    Returns:
        ``[predictor][other]``: predictor minus other.

    Example:
        >>> iou = {"student": weighted_mean(np.array([0.5, 0.7])), "control": weighted_mean(np.array([0.1, 0.3]))}
        >>> round(paired_differences(iou, 2)["student"]["control"].low, 6)
        0.4
    """
    whole = {name: float(each(np.ones((1, n)))[0]) for name, each in statistics.items()}
    draws = {name: bootstrap_draws(each, n, resamples, seed, groups) for name, each in statistics.items()}
    found: dict[str, dict[str, Interval]] = {name: {} for name in statistics}
    for name, other in permutations(statistics, 2):
        found[name][other] = interval_of_draws(draws[name] - draws[other], whole[name] - whole[other], n, level)
    return found


def _batches(rows: int, columns: int) -> Iterator[np.ndarray]:
    """Row numbers 0 to rows - 1 in pieces whose weights fit into memory."""
    step = max(1, _CELLS_AT_ONCE // max(columns, 1))
    for start in range(0, rows, step):
        yield np.arange(start, min(start + step, rows))
