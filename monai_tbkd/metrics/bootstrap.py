"""Intervals: by bootstrap over images, or over patients where they are known; of proportions Wilson's.

Common arguments: ``n``, the number of images; ``resamples`` and ``seed`` of the bootstrap; ``groups``, patient ids. The
same ones give the same resamples, so draws may be subtracted: a paired difference.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import binomtest

Groups = Sequence[Hashable | None] | None
"""A patient id per image, None or empty where it is not known; None: no image has one."""
Statistic = Callable[[np.ndarray], np.ndarray]
"""From image weights ``(B, n)`` (how often each image counts) to ``(B,)`` numbers, or ``(B, m)`` for m of them."""

_TAILS = (0.025, 0.975)
_CELLS_AT_ONCE = 300_000  # weights in memory at a time: 2.4 MB, and up to ten times that of what is made of them
_MOST_BLOCKS = 1000


class Interval(NamedTuple):
    """An estimate with its 95 % interval and the number of images behind it."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float | int | None]:
        """Return a JSON-able mapping; nan becomes None."""
        return {**{k: plain(v) for k, v in zip(("value", "low", "high"), self[:3])}, "n": self.n}


def plain(number: float) -> float | None:
    """Round to 6 digits; None for nan or infinity."""
    return round(float(number), 6) if np.isfinite(number) else None


def group_codes(groups: Groups, n: int) -> np.ndarray:
    """Number the groups of n images, ``(n,)`` from 0; an image without an id is a group of its own.

    Raises:
        ValueError: not one id per image.
    """
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise ValueError(
            f"{len(groups)} patient ids for {n} images; expected one an image (None where it is not known)."
        )
    codes: dict[Hashable, int] = {}
    keys = (("image", i) if group in (None, "") else ("patient", group) for i, group in enumerate(groups))
    return np.array([codes.setdefault(key, len(codes)) for key in keys], dtype=np.int64)


def kept_groups(groups: Groups, kept: np.ndarray) -> Groups:
    """Patient ids of the images where ``kept`` ``(n,)`` bool is true."""
    return None if groups is None else [group for group, use in zip(groups, kept, strict=True) if use]


@lru_cache(maxsize=32)
def _drawn(number: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of ``number`` groups is drawn in each resample, ``(resamples, number)``; do not write to it."""
    rng, chances = np.random.default_rng(seed), np.full(number, 1.0 / max(number, 1))
    # uint8 holds it: each count is about Poisson(1)
    parts = [
        rng.multinomial(number, chances, size=stop - start).astype(np.uint8)
        for start, stop in _batches(resamples, number)
    ]
    return np.concatenate([np.zeros((0, number), dtype=np.uint8), *parts])


def _batches(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    step = max(1, _CELLS_AT_ONCE // max(columns, 1))
    return ((start, min(start + step, rows)) for start in range(0, rows, step))


def weighted_mean(values: np.ndarray) -> Statistic:
    """Make the mean of a number per image ``(n,)`` a statistic of image weights; nan takes no part."""
    return weighted_ratio(values, np.ones(len(values)))


def weighted_ratio(numerator: np.ndarray, denominator: np.ndarray) -> Statistic:
    """Make the ratio of two sums over images, ``(n,)`` or ``(n, m)``, a statistic; nan numerators take no part."""
    top, bottom = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    valid = ~np.isnan(top)
    top, bottom = np.where(valid, top, 0.0), np.where(valid, bottom, 0.0)

    def ratio(weights: np.ndarray) -> np.ndarray:
        over, under = weights @ top, weights @ bottom
        return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)

    return ratio


def bootstrap_draws(
    statistic: Statistic, n: int, resamples: int = 2000, seed: int = 0, groups: Groups = None
) -> np.ndarray:
    """Compute a statistic in each resample, ``(resamples,)`` or ``(resamples, m)``."""
    codes = group_codes(groups, n)
    drawn = _drawn(int(codes.max()) + 1, resamples, seed)
    weights = (drawn[start:stop].astype(float) for start, stop in _batches(resamples, n))
    return np.concatenate([statistic(each if groups is None else each[:, codes]) for each in weights])


def jackknife(statistic: Statistic, n: int, groups: Groups = None) -> np.ndarray:
    """Compute a statistic with one image or patient left out at a time, ``(number of groups,)`` or ``(..., m)``.

    More than 1000 are left out in 1000 random blocks, which changes the acceleration of a BCa interval by noise alone.
    """
    codes = group_codes(groups, n)
    number = int(codes.max()) + 1
    if number > _MOST_BLOCKS:
        codes = (np.random.default_rng(0).permutation(number) % _MOST_BLOCKS)[codes]
        number = _MOST_BLOCKS
    rows = (np.arange(start, stop)[:, None] for start, stop in _batches(number, n))
    return np.concatenate([statistic((codes != each).astype(float)) for each in rows])


def interval_of_draws(draws: np.ndarray, value: float, n: int, left_out: np.ndarray | None = None) -> Interval:
    """Turn the draws of a statistic and its value for all images into a 95 % interval; nan draws are left out.

    BCa with ``left_out`` of `jackknife`, else percentiles.
    """
    draws = draws[~np.isnan(draws)]
    if len(draws) == 0 or np.isnan(value):
        return Interval(value, np.nan, np.nan, n)
    limits = None if left_out is None else bca_limits(draws, value, left_out)
    low, high = np.quantile(draws, _TAILS) if limits is None else limits
    return Interval(value, float(low), float(high), n)


def bca_limits(draws: np.ndarray, value: float, left_out: np.ndarray) -> tuple[float, float] | None:
    """Compute bias-corrected and accelerated limits (Efron, "Better Bootstrap Confidence Intervals", JASA 1987).

    They equal those of ``scipy.stats.bootstrap`` for the same draws. None where they are not defined: the value lies
    beyond all draws, or leaving out one image never changes it.
    """
    left_out = left_out[~np.isnan(left_out)]
    bias = float(ndtri(((draws < value).mean() + (draws <= value).mean()) / 2))
    deviation = left_out.mean() - left_out
    squares = float((deviation**2).sum())
    if not np.isfinite(bias) or squares == 0:
        return None
    acceleration = float((deviation**3).sum()) / (6 * squares**1.5)
    shifted = bias + ndtri(_TAILS)
    low, high = np.quantile(draws, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)


def bootstrap_intervals(
    statistic: Statistic, n: int, resamples: int = 2000, seed: int = 0, groups: Groups = None, bca: bool = False
) -> list[Interval]:
    """Bootstrap m statistics of the same images at once, ``(B, n)`` to ``(B, m)``; by percentiles if not ``bca``."""
    values = statistic(np.ones((1, n)))[0]
    draws = bootstrap_draws(statistic, n, resamples, seed, groups)
    left_out = jackknife(statistic, n, groups) if bca else None
    return [
        interval_of_draws(draws[:, i], float(value), n, None if left_out is None else left_out[:, i])
        for i, value in enumerate(values)
    ]


def bootstrap_weighted(
    statistic: Statistic, n: int, resamples: int = 2000, seed: int = 0, groups: Groups = None
) -> Interval:
    """Bootstrap one statistic ``(B, n)`` to ``(B,)``, by percentiles."""
    return bootstrap_intervals(lambda weights: statistic(weights)[:, None], n, resamples, seed, groups)[0]


def bootstrap_ratio(
    numerator: np.ndarray, denominator: np.ndarray, resamples: int = 2000, seed: int = 0, groups: Groups = None
) -> Interval:
    """Bootstrap the ratio of two sums over images, each ``(n,)``; images with a nan numerator take no part."""
    top, bottom = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    valid = ~np.isnan(top)
    if bottom[valid].sum() == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    statistic = weighted_ratio(top[valid], bottom[valid])
    return bootstrap_weighted(statistic, int(valid.sum()), resamples, seed, kept_groups(groups, valid))


def bootstrap_mean(values: np.ndarray, resamples: int = 2000, seed: int = 0, groups: Groups = None) -> Interval:
    """Bootstrap the mean of a number per image ``(n,)``; nan takes no part. Of differences it is a paired interval."""
    return bootstrap_ratio(values, np.ones(len(values)), resamples, seed, groups)


def paired_differences(
    statistics: Mapping[str, Statistic], n: int, resamples: int = 2000, seed: int = 0, groups: Groups = None
) -> dict[str, dict[str, Interval]]:
    """Bootstrap ``[predictor][other]``, every predictor minus every other, on the same images of each resample."""
    whole = {name: float(each(np.ones((1, n)))[0]) for name, each in statistics.items()}
    draws = {name: bootstrap_draws(each, n, resamples, seed, groups) for name, each in statistics.items()}
    found: dict[str, dict[str, Interval]] = {name: {} for name in statistics}
    for name, other in permutations(statistics, 2):
        found[name][other] = interval_of_draws(draws[name] - draws[other], whole[name] - whole[other], n)
    return found


def summarize_seeds(
    statistics: Sequence[Statistic], n: int, resamples: int = 2000, seed: int = 0, groups: Groups = None
) -> dict[str, Any]:
    """Summarize one statistic over networks that differ in their seed only: mean, spread and intervals.

    Every resample draws images (patients where known) once for all networks. The second interval draws the networks
    too, with replacement: the two-way bootstrap (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007).
    For the difference of two methods, give one statistic per seed that subtracts them.

    Returns:
        JSON-able: ``per_seed``; ``mean``, ``sd`` (with n - 1), ``min`` and ``max`` over ``seeds``; the intervals
        ``over_images`` (what other images would give these networks) and ``over_seeds_and_images`` (what they would
        give networks of other seeds; of 3 seeds it is a rough guide).

    Raises:
        ValueError: no statistic; one per seed is expected.
    """
    if not statistics:
        raise ValueError("There is no seed to summarize; give one statistic for each.")
    whole = np.array([float(each(np.ones((1, n)))[0]) for each in statistics])
    draws = np.stack([bootstrap_draws(each, n, resamples, seed, groups) for each in statistics], axis=1)
    # A stream of its own, so that which seeds are drawn does not depend on which images are.
    chosen = np.random.default_rng([seed, 1]).integers(0, len(whole), draws.shape)
    both, mean = np.take_along_axis(draws, chosen, axis=1), float(whole.mean())
    return {
        "seeds": len(whole),
        "per_seed": [plain(each) for each in whole],
        "mean": plain(mean),
        "sd": plain(whole.std(ddof=1)) if len(whole) > 1 else None,
        "min": plain(whole.min()),
        "max": plain(whole.max()),
        "over_images": interval_of_draws(draws.mean(axis=1), mean, n).as_dict(),
        "over_seeds_and_images": interval_of_draws(both.mean(axis=1), mean, n).as_dict(),
    }


class Estimates(NamedTuple):
    """Numbers with their 95 % intervals, arrays of one shape; nan where there is none."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def complement(self) -> Estimates:
        """Return one minus each."""
        return Estimates(1 - self.value, 1 - self.high, 1 - self.low)

    def times(self, factor: float) -> Estimates:
        """Return each times a factor above 0."""
        return Estimates(*(each * factor for each in self))

    def plus(self, constant: float) -> Estimates:
        """Return each plus a constant."""
        return Estimates(*(each + constant for each in self))


def wilson(hits: np.ndarray, of: np.ndarray) -> Estimates:
    """Return proportions with Wilson's score interval (JASA 1927), by scipy; nan where ``of`` is 0."""

    def one(k: float, n: float) -> tuple[float, float, float]:
        if n == 0:
            return np.nan, np.nan, np.nan
        limits = binomtest(int(k), int(n)).proportion_ci(method="wilson")
        return k / n, limits.low, limits.high

    return Estimates(*np.vectorize(one, otypes=[float] * 3)(hits, of))
