"""What a screening program gets at each threshold: cases found, unnecessary tests and costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from monai_tbkd.metrics.bootstrap import Estimates, Groups, bootstrap_draws, group_codes, plain, weighted_ratio, wilson

COUNTS = ("threshold", "n", "TP", "FP", "TN", "FN")
PROPORTIONS = (
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "ppv_observed",
    "npv_observed",
    "fraction_of_tb_found",
    "fraction_of_tests_avoided",
    "number_needed_to_test",
    "cost_per_case_found",
    "total_cost_per_1000",
)
COLUMNS = (*COUNTS, *(f"{name}{end}" for name in PROPORTIONS for end in ("", "_low", "_high")))


class Program(NamedTuple):
    """Where the threshold will be used."""

    prevalence: float = 0.005  # fraction of people with TB among those who are screened
    cost_image: float = 5.0  # of one image with its reading by computer
    cost_test: float = 20.0  # of one confirmatory test, in the same currency


def screening_table(
    scores: np.ndarray,
    positive: np.ndarray,
    thresholds: Sequence[float] | np.ndarray,
    program: Program = Program(),  # noqa: B008
    groups: Groups = None,
    resamples: int = 2000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Compute the table of the WHO/TDR toolkit for calibrating computer-aided detection, a row per threshold.

    Everyone gets an image, those who score at or above the threshold (0-100) a confirmatory test, and that test is
    taken to be right. Images without a score (nan) count neither as positive nor as negative; ``fraction_of_tb_found``
    alone has those of them that have TB in its denominator.

    Sensitivity, specificity, predictive values as observed and the fraction found have Wilson's interval; where groups
    are given, a percentile bootstrap interval over patients (Wilson's over patients where all resamples agree on 0 or
    1). All else follows from sensitivity and specificity, limits by the method of variance estimates recovery.

    Returns:
        Rows with the keys `COLUMNS`. ``ppv``, ``npv``, ``fraction_of_tests_avoided`` (of one test per person),
        ``number_needed_to_test`` (for one case) and costs are at the given prevalence. None: not defined, or no limit.

    Raises:
        ValueError: prevalence or costs out of range, or lengths that differ.
    """
    if not 0 < program.prevalence < 1:
        raise ValueError(f"prevalence is {program.prevalence:g}; expected a fraction between 0 and 1, such as 0.005.")
    if not (program.cost_image >= 0 and program.cost_test >= 0):
        raise ValueError(
            f"cost_image is {program.cost_image:g} and cost_test {program.cost_test:g}; expected numbers not below 0."
        )
    scores, positive = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    if scores.shape != positive.shape:
        raise ValueError(f"{len(scores)} scores and {len(positive)} labels; expected one of each an image.")
    edges = np.asarray(thresholds, dtype=float)
    scored = ~np.isnan(scores)
    at = np.where(scored, scores, -np.inf)[:, None] >= edges  # (N, T)
    codes = None if groups is None else group_codes(groups, len(scores))

    def proportion(hits: np.ndarray, of: np.ndarray) -> Estimates:
        hits, of = np.broadcast_to(hits, at.shape), np.broadcast_to(of, at.shape)
        if codes is None:
            return wilson(hits.sum(0), of.sum(0))
        return _over_patients(hits, of, codes, resamples, seed)

    tb, rest = (positive & scored)[:, None], (~positive & scored)[:, None]
    sensitivity, specificity = proportion(at & tb, tb), proportion(~at & rest, rest)
    numbers = {
        "sensitivity": sensitivity,
        "specificity": specificity,
        **predictive_values(sensitivity, specificity, program.prevalence),
        "ppv_observed": proportion(at & tb, at),
        "npv_observed": proportion(~at & rest, ~at & scored[:, None]),
        "fraction_of_tb_found": proportion(at & tb, positive[:, None]),
        **program_numbers(sensitivity, specificity, program),
    }
    counts = {
        "TP": (at & tb).sum(0),
        "FP": (at & rest).sum(0),
        "TN": (~at & rest).sum(0),
        "FN": (~at & tb).sum(0),
    }
    rows = []
    for i, threshold in enumerate(edges):
        row: dict[str, Any] = {"threshold": round(float(threshold), 4), "n": int(scored.sum())}
        row |= {name: int(count[i]) for name, count in counts.items()}
        for name in PROPORTIONS:
            for end, each in zip(("", "_low", "_high"), numbers[name], strict=True):
                row[name + end] = plain(float(each[i]))
        rows.append(row)
    return rows


def predictive_values(sensitivity: Estimates, specificity: Estimates, prevalence: float) -> dict[str, Estimates]:
    """``ppv`` and ``npv`` at a prevalence other than that of the images, by the likelihood ratios."""
    odds = prevalence / (1 - prevalence)
    for_tb = ratio(sensitivity, specificity.complement())
    against_tb = ratio(sensitivity.complement(), specificity)

    def chance(likelihood: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1 / (1 + 1 / (odds * likelihood))

    missed = Estimates(*(chance(each) for each in against_tb))
    return {"ppv": Estimates(*(chance(each) for each in for_tb)), "npv": missed.complement()}


def program_numbers(sensitivity: Estimates, specificity: Estimates, program: Program) -> dict[str, Estimates]:
    """Tests and costs of a program, from sensitivity and specificity at its prevalence."""
    fraction, false = program.prevalence, specificity.complement()
    tests = weighted_sum(sensitivity, false, fraction, 1 - fraction)  # a person
    found = sensitivity.times(fraction)
    # A found case costs its own test, and a fraction of all images and of the tests of people without TB.
    others = false.times((1 - fraction) * program.cost_test).plus(program.cost_image)
    return {
        "fraction_of_tests_avoided": tests.complement(),
        "number_needed_to_test": ratio(false.times(1 - fraction), found).plus(1.0),
        "cost_per_case_found": ratio(others, found).plus(program.cost_test),
        "total_cost_per_1000": tests.times(program.cost_test).plus(program.cost_image).times(1000),
    }


def _over_patients(hits: np.ndarray, of: np.ndarray, codes: np.ndarray, resamples: int, seed: int) -> Estimates:
    """Proportions ``(N, T)`` of images with percentile limits over patients."""
    number = int(codes.max()) + 1
    tops, bottoms = np.zeros((number, hits.shape[1])), np.zeros((number, hits.shape[1]))
    np.add.at(tops, codes, hits)
    np.add.at(bottoms, codes, of)
    draws = bootstrap_draws(weighted_ratio(tops, bottoms), number, resamples, seed)
    patients = (bottoms > 0).sum(0)
    with np.errstate(invalid="ignore"):
        value = tops.sum(0) / bottoms.sum(0)
    certain = (value == 0) | (value == 1)
    low, high = np.full((2, len(value)), np.nan)
    if certain.any():
        _, low[certain], high[certain] = wilson(value[certain] * patients[certain], patients[certain])
    drawn = ~certain & (patients > 0)
    if drawn.any():
        low[drawn], high[drawn] = np.nanquantile(draws[:, drawn], [0.025, 0.975], axis=0)
    return Estimates(value, low, high)


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
