"""Intervals of proportions, and of numbers that are made from two of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest


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


def weighted_sum(a: Estimates, b: Estimates, weight_a: float, weight_b: float) -> Estimates:
    """``weight_a * a + weight_b * b`` of two independent estimates, weights not negative, from their limits.

    The method of variance estimates recovery (Zou and Donner, Statistics in Medicine 2008).
    """
    value = weight_a * a.value + weight_b * b.value
    low = value - np.hypot(weight_a * (a.value - a.low), weight_b * (b.value - b.low))
    high = value + np.hypot(weight_a * (a.high - a.value), weight_b * (b.high - b.value))
    return Estimates(value, low, high)


def ratio(a: Estimates, b: Estimates) -> Estimates:
    """``a / b`` of two independent estimates of 0 or above, from their limits.

    The method of variance estimates recovery for ratios (Donner and Zou, Statistical Methods in Medical Research 2012).
    Unlike a bootstrap it does not take a count of 0 for a certain 0. Infinity where b, or its lower limit, is 0; nan
    where both are 0.
    """
    product = a.value * b.value
    with np.errstate(divide="ignore", invalid="ignore"):
        value = a.value / b.value
        below, under = a.low * (2 * a.value - a.low), b.high * (2 * b.value - b.high)
        low = below / (product + np.sqrt(np.maximum(product**2 - below * under, 0)))
        above, over = a.high * (2 * a.value - a.high), b.low * (2 * b.value - b.low)
        high = (product + np.sqrt(np.maximum(product**2 - above * over, 0))) / over
    low = np.where(a.low <= 0, 0.0, low)
    high = np.where(b.low <= 0, np.inf, high)
    missing = np.isnan(value)
    return Estimates(value, np.where(missing, np.nan, low), np.where(missing, np.nan, high))
