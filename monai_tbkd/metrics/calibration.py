"""Whether a score of 0.8 means tuberculosis in 8 of 10 films, and one number that mends it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from monai_tbkd.metrics.bootstrap import Interval
from monai_tbkd.metrics.image_level import ScoreCounts, brier_score, count_scores
from monai_tbkd.metrics.proportions import wilson
from monai_tbkd.metrics.weighted_bootstrap import Statistic, bootstrap_weighted

BINNINGS = ("equal_width", "equal_mass")
_HALF_STEP = 5.0e-5  # scores are written with 2 digits of 0-100
_TEMPERATURES = (0.05, 20.0)


class ReliabilityPoint(NamedTuple):
    """One bin of a reliability curve."""

    lower_edge: float
    upper_edge: float
    n: int
    """Films in it."""
    mean_score: float
    share_with_tb: float
    low: float
    high: float
    """95 % Wilson interval of the share."""


class Temperature(NamedTuple):
    """What divides the logits, and what that is worth."""

    temperature: float
    """Above 1: the scores were too sure; below 1: not sure enough."""
    nll_before: float
    nll_after: float
    """Mean negative log-likelihood of the labels, in nats a film."""
    at_limit: bool
    """The best temperature lies beyond what is tried, as where the scores part the classes without a fault."""
    n: int


def bin_edges(scores: np.ndarray, bins: int = 10, binning: str = "equal_width") -> np.ndarray:
    """Inner and outer edges of the bins of a reliability curve.

    Args:
        scores: 0-1, ``(n,)``.
        bins: how many; fewer come out where many scores are the same.
        binning: ``"equal_width"``, or ``"equal_mass"`` (about as many films in each).

    Returns:
        Ascending, the first 0 and the last 1.

    Raises:
        ValueError: the binning is not known, or there is less than one bin.
    """
    if binning not in BINNINGS or bins < 1:
        raise ValueError(f"{bins} bins of {binning!r}; expected at least 1, of one of {BINNINGS}.")
    if binning == "equal_width":
        return np.linspace(0, 1, bins + 1)
    inner = np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1])
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))


def reliability_curve(
    scores: np.ndarray, positive: np.ndarray, bins: int = 10, binning: str = "equal_mass"
) -> list[ReliabilityPoint]:
    """Mean score and share of TB in each bin that has a film.

    Args:
        scores: 0-1, ``(n,)``.
        positive: which films have TB, bool ``(n,)``.
        bins: how many.
        binning: see `bin_edges`. A score on an edge belongs to the bin below it.

    Example:
        >>> point = reliability_curve(np.array([0.2, 0.2, 0.9, 0.9]), np.array([0, 0, 1, 1]) > 0, 2)[1]
        >>> point.mean_score, point.share_with_tb, point.n
        (0.9, 1.0, 2)
    """
    edges = bin_edges(scores, bins, binning)
    place = _bin_of(np.asarray(scores, dtype=float), edges)
    points = []
    for index in np.unique(place):
        inside = place == index
        share = wilson(positive[inside].sum(), inside.sum())
        points.append(
            ReliabilityPoint(
                float(edges[index]),
                float(edges[index + 1]),
                int(inside.sum()),
                float(scores[inside].mean()),
                *(float(number) for number in share),
            )
        )
    return points


def calibration_error(counts: ScoreCounts, edges: np.ndarray) -> np.ndarray:
    """Expected calibration error: mean over films of |mean score - share of TB| of their bin, ``(...,)``.

    Args:
        counts: films by score, scores of 0-1.
        edges: of `bin_edges`.
    """
    member = _bin_of(counts.scores, edges)[:, None] == np.arange(len(edges) - 1)  # (U, bins)
    films = counts.positive + counts.negative
    gaps = np.abs((films * counts.scores) @ member - counts.positive @ member)
    return gaps.sum(-1) / films.sum(-1)


def weighted_calibration_error(
    scores: np.ndarray, positive: np.ndarray, bins: int = 10, binning: str = "equal_width"
) -> Statistic:
    """The calibration error as a statistic of film weights; bins are those of all films."""
    edges = bin_edges(scores, bins, binning)
    return lambda weights: calibration_error(count_scores(scores, positive, weights), edges)


def error_if_calibrated(
    scores: np.ndarray,
    bins: int = 10,
    binning: str = "equal_width",
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The calibration error that perfectly calibrated scores would show by chance on so many films.

    The error of a finite sample is above 0 even then; one that lies within this range is no sign of miscalibration.

    Args:
        scores: 0-1, ``(n,)``.
        bins: how many.
        binning: see `bin_edges`.
        repeats: times that labels are drawn by the scores.
        level: coverage of the range.
        seed: of the draws.

    Returns:
        Mean and range.
    """
    edges = bin_edges(scores, bins, binning)
    distinct, films = np.unique(scores, return_counts=True)
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(repeats):
        tb = rng.binomial(films, distinct)
        errors.append(float(calibration_error(ScoreCounts(distinct, tb, films - tb), edges)))
    low, high = np.quantile(errors, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.mean(errors)), float(low), float(high), len(scores))


def brier_parts(scores: np.ndarray, positive: np.ndarray, bins: int = 10) -> dict[str, float]:
    """The Brier score and what it is made of (Murphy, Journal of Applied Meteorology 1973).

    Returns:
        ``brier`` = ``miscalibration`` - ``resolution`` + ``uncertainty`` + ``within_bins``: distance of the bins'
        scores from their shares of TB, distance of these shares from the overall one (the more the better), variance
        of the labels, and what the bins (of equal mass) hide.

    Example:
        >>> brier_parts(np.array([0.0, 1.0]), np.array([False, True]))["brier"]
        0.0
    """
    points = reliability_curve(scores, positive, bins)
    share, n = float(np.mean(positive)), len(scores)
    parts = {
        "miscalibration": sum(p.n * (p.mean_score - p.share_with_tb) ** 2 for p in points) / n,
        "resolution": sum(p.n * (p.share_with_tb - share) ** 2 for p in points) / n,
        "uncertainty": share * (1 - share),
    }
    brier = float(brier_score(count_scores(scores, positive)))
    explained = parts["miscalibration"] - parts["resolution"] + parts["uncertainty"]
    return {"brier": brier, **parts, "within_bins": brier - explained}


def score_logits(scores: np.ndarray, half_step: float = _HALF_STEP) -> np.ndarray:
    """Logits of scores of 0-1 that were rounded on writing: 0 and 1 become half a step, not infinity."""
    return logit(np.clip(np.asarray(scores, dtype=float), half_step, 1 - half_step))


def fit_temperature(logits: np.ndarray, positive: np.ndarray) -> Temperature:
    """The temperature under which the labels are most likely.

    Dividing logits by it keeps the order of the films, and so the AUC, and a threshold of 50 %. The probabilities that
    result are for films with the same share of TB. Source: Guo et al., "On Calibration of Modern Neural Networks",
    ICML 2017, https://arxiv.org/abs/1706.04599.

    Args:
        logits: log-odds of TB, ``(n,)``.
        positive: which films have TB, bool ``(n,)``.

    Raises:
        ValueError: one of the two classes is missing.

    Example:
        >>> fit_temperature(np.array([-2.0, -2.0, 2.0, 2.0]), np.array([0, 1, 0, 1]) > 0).at_limit
        True
    """
    logits, positive = np.asarray(logits, dtype=float), np.asarray(positive, dtype=bool)
    if not positive.any() or positive.all():
        raise ValueError("A temperature needs films with TB and films without; give both.")
    signed = np.where(positive, logits, -logits)

    def nll(log_temperature: float) -> float:
        return float(np.logaddexp(0, -signed / np.exp(log_temperature)).mean())

    limits = np.log(_TEMPERATURES)
    best = minimize_scalar(nll, bounds=tuple(limits), method="bounded", options={"xatol": 1e-7})
    at_limit = bool(np.abs(best.x - limits).min() < 1e-3)
    return Temperature(float(np.exp(best.x)), nll(0.0), float(best.fun), at_limit, len(logits))


def apply_temperature(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities of 0-1 from logits and a temperature."""
    return expit(np.asarray(logits, dtype=float) / temperature)


def calibration_summary(
    scores: np.ndarray,
    positive: np.ndarray,
    groups: Sequence[Hashable | None] | None = None,
    bins: int = 10,
    resamples: int = 2000,
    seed: int = 0,
    fit_on: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Everything of this file for one set of films, JSON-able.

    Args:
        scores: 0-1, ``(n,)``.
        positive: which films have TB, bool ``(n,)``.
        groups: a patient id a film, ``(n,)``; whole patients are drawn.
        bins: of curves and errors.
        resamples: bootstrap samples.
        seed: of the resampling.
        fit_on: scores and TB of other films that the temperature is fitted on; None: these ones.

    Returns:
        ``expected_calibration_error`` and ``reliability`` by binning, ``brier_parts``, ``temperature_scaling``.
    """
    logits = score_logits(scores)
    fitted = (
        fit_temperature(logits, positive) if fit_on is None else fit_temperature(score_logits(fit_on[0]), fit_on[1])
    )
    tempered = apply_temperature(logits, fitted.temperature)

    def error(values: np.ndarray, binning: str) -> dict[str, Any]:
        statistic = weighted_calibration_error(values, positive, bins, binning)
        interval = bootstrap_weighted(statistic, len(values), resamples, seed=seed, groups=groups)
        chance = error_if_calibrated(values, bins, binning, seed=seed)
        return {**interval.as_dict(), "if_calibrated": chance.as_dict()}

    return {
        "expected_calibration_error": {binning: error(scores, binning) for binning in BINNINGS},
        "reliability": {
            binning: [point._asdict() for point in reliability_curve(scores, positive, bins, binning)]
            for binning in BINNINGS
        },
        "brier_parts": {name: round(number, 6) for name, number in brier_parts(scores, positive, bins).items()},
        "temperature_scaling": {
            **fitted._asdict(),
            "expected_calibration_error_after": error(tempered, "equal_mass"),
        },
    }


def _bin_of(scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin of each score, from 0; a score on an inner edge belongs to the lower bin."""
    return np.searchsorted(edges[1:-1], scores, side="left")
