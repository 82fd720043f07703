"""Several seeds of a training in one number, with the spread over seeds and films."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from monai_tbkd.metrics.bootstrap import Interval
from monai_tbkd.metrics.weighted_bootstrap import Statistic, bootstrap_draws, interval_of_draws


class SeedSummary(NamedTuple):
    """One number of several seeds."""

    per_seed: tuple[float, ...]
    mean: float
    sd: float
    """Over seeds, with n - 1; nan for a single one."""
    smallest: float
    largest: float
    over_films: Interval
    """Mean over seeds; only films are resampled: what other films would give these very networks."""
    over_seeds_and_films: Interval
    """Both are resampled: what other films would give networks of other seeds. Of 3 seeds it is a rough guide."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; nan becomes None."""

        def plain(number: float) -> float | None:
            return None if np.isnan(number) else round(float(number), 6)

        return {
            "seeds": len(self.per_seed),
            "per_seed": [plain(each) for each in self.per_seed],
            "mean": plain(self.mean),
            "sd": plain(self.sd),
            "min": plain(self.smallest),
            "max": plain(self.largest),
            "over_films": self.over_films.as_dict(),
            "over_seeds_and_films": self.over_seeds_and_films.as_dict(),
        }


def summarize_seeds(
    statistics: Sequence[Statistic],
    n: int,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    groups: Sequence[Hashable | None] | None = None,
) -> SeedSummary:
    """Mean, spread and intervals of one statistic over networks that differ in their seed only.

    Every resample draws films (patients where known) once for all networks, as they are the same films. The second
    interval draws the networks too, with replacement: the two-way bootstrap (Owen, "The pigeonhole bootstrap", Annals
    of Applied Statistics 2007). For the difference of two methods, give a statistic a seed that subtracts them.

    Args:
        statistics: one a seed, each from film weights ``(B, n)`` to ``(B,)``, such as ``weighted_mean(iou)``.
        n: number of films.
        resamples: bootstrap samples.
        level: coverage of the intervals.
        seed: of the resampling.
        groups: a patient id a film, ``(n,)``.

    Raises:
        ValueError: no seed.

    Example:
        >>> from monai_tbkd.metrics.weighted_bootstrap import weighted_mean
        >>> three = summarize_seeds([weighted_mean(np.full(4, iou)) for iou in (0.2, 0.3, 0.4)], 4)
        >>> round(three.mean, 3), round(three.sd, 3), round(three.over_films.low, 3)
        (0.3, 0.1, 0.3)
    """
    if not statistics:
        raise ValueError("There is no seed to summarize; give one statistic for each.")
    whole = np.array([float(each(np.ones((1, n)))[0]) for each in statistics])
    draws = np.stack([bootstrap_draws(each, n, resamples, seed, groups) for each in statistics], axis=1)
    # A stream of its own, so that which seeds are drawn does not depend on which films are.
    chosen = np.random.default_rng([seed, 1]).integers(0, len(whole), draws.shape)
    mean = float(whole.mean())
    return SeedSummary(
        per_seed=tuple(whole.tolist()),
        mean=mean,
        sd=float(whole.std(ddof=1)) if len(whole) > 1 else float("nan"),
        smallest=float(whole.min()),
        largest=float(whole.max()),
        over_films=interval_of_draws(draws.mean(axis=1), mean, n, level),
        over_seeds_and_films=interval_of_draws(np.take_along_axis(draws, chosen, axis=1).mean(axis=1), mean, n, level),
    )
