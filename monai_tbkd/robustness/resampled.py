"""Numbers that keep their bootstrap draws, so that what is computed from several of them is paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monai_tbkd.metrics.bootstrap import Groups, Statistic, bootstrap_draws, interval_of_draws, weighted_ratio
from monai_tbkd.metrics.image_level import weighted_image_level


@dataclass(frozen=True)
class Resampled:
    """A number of n images, and the same number in each resample of them.

    Two of the same `ImageResampler` may be subtracted or divided: each resample drew the same images for both.
    """

    numbers: np.ndarray  # (1 + resamples,): of all images, then of each resample
    n: int

    @property
    def value(self) -> float:
        """The number of all images."""
        return float(self.numbers[0])

    def __sub__(self, other: Resampled) -> Resampled:
        return Resampled(self.numbers - other.numbers, min(self.n, other.n))

    def relative_drop(self, clean: Resampled) -> Resampled:
        """Return the fraction of the clean number that is lost; nan where that is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = 1.0 - self.numbers / clean.numbers
        return Resampled(np.where(np.isfinite(lost), lost, np.nan), min(self.n, clean.n))

    def as_dict(self) -> dict[str, float | int | None]:
        """Return value, 95 % percentile interval and n, JSON-able."""
        return interval_of_draws(self.numbers[1:], self.value, self.n).as_dict()


class ImageResampler:
    """Computes statistics in the same draws of images, or of whole patients.

    Example:
        >>> images = ImageResampler(3, resamples=10)
        >>> one, other = images.mean(np.array([1.0, 2.0, 3.0])), images.mean(np.array([0.0, 1.0, 2.0]))
        >>> (one - other).as_dict()
        {'value': 1.0, 'low': 1.0, 'high': 1.0, 'n': 3}
    """

    def __init__(self, n: int, resamples: int = 2000, seed: int = 0, groups: Groups = None) -> None:
        self.n, self.drawn = n, (n, resamples, seed, groups)

    def mean(self, values: np.ndarray) -> Resampled:
        """Mean of a number per image ``(n,)``; nan takes no part."""
        return self.ratio(values, np.ones(self.n))

    def ratio(self, numerator: np.ndarray, denominator: np.ndarray) -> Resampled:
        """Ratio of two sums over images, each ``(n,)``; nan numerators take no part."""
        number = int((~np.isnan(np.asarray(numerator, dtype=float))).sum())
        return self._of(weighted_ratio(numerator, denominator), number)

    def auc(self, scores: np.ndarray, tb: np.ndarray, use: np.ndarray | None = None) -> Resampled:
        """Area under the ROC curve, TB against all others, of the images in ``use`` ``(n,)`` bool; None: all."""
        kept = np.ones(self.n, dtype=bool) if use is None else use
        statistic = weighted_image_level("auc", scores[kept], tb[kept])
        return self._of(lambda weights: statistic(weights[:, kept]), int(kept.sum()))

    def _of(self, statistic: Statistic, n: int) -> Resampled:
        of_all = statistic(np.ones((1, self.n)))
        return Resampled(np.concatenate([of_all, bootstrap_draws(statistic, *self.drawn)]), n)


def mean_of(numbers: Sequence[Resampled]) -> Resampled:
    """Average several numbers of the same images; draws where one is nan are left out."""
    return Resampled(np.mean([each.numbers for each in numbers], axis=0), min(each.n for each in numbers))


def tree_minus(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Subtract every number of a nested mapping from its counterpart; what only one of them has is left out."""
    result: dict[str, Any] = {}
    for key in one.keys() & other.keys():
        if isinstance(one[key], Resampled):
            result[key] = one[key] - other[key]
        elif isinstance(one[key], Mapping):
            result[key] = tree_minus(one[key], other[key])
    return {key: result[key] for key in one if key in result}


def plain_tree(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a nested mapping with every number as value, interval and n, JSON-able."""
    return {
        key: each.as_dict() if isinstance(each, Resampled) else plain_tree(each) if isinstance(each, Mapping) else each
        for key, each in tree.items()
    }
