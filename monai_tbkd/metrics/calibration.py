"""Whether a score of 0.8 means tuberculosis in 8 of 10 images, and the temperature that corrects it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from monai_tbkd.metrics.bootstrap import Groups, Interval, Statistic, bootstrap_weighted, wilson
from monai_tbkd.metrics.image_level import ScoreCounts, brier_score, count_scores

BINNINGS = ("equal_width", "equal_mass")
_HALF_STEP = 5.0e-5  # scores are written with 2 digits of 0-100
_TEMPERATURES = (0.05, 20.0)


class ReliabilityPoint(NamedTuple):
    """One bin of a reliability curve."""

    lower_edge: float
    upper_edge: float
    n: int  # images in it
    mean_score: float
    fraction_with_tb: float
    low: float
    high: float  # 95 % Wilson interval of the fraction


class Temperature(NamedTuple):
    """What divides the logits, and what that is worth."""

    temperature: float  # above 1: the scores were overconfident; below 1: underconfident
    nll_before: float
    nll_after: float  # mean negative log-likelihood of the labels, in nats per image
    at_limit: bool
    """The best temperature lies beyond what is tried, as where the scores separate the classes without a fault."""
    n: int


def bin_edges(scores: np.ndarray, bins: int = 10, binning: str = "equal_width") -> np.ndarray:
    """Compute edges of bins from 0 to 1: ``equal_width``, or ``equal_mass``, fewer where many scores are the same."""
    if binning == "equal_width":
        return np.linspace(0, 1, bins + 1)
    return np.unique([0.0, *np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1]), 1.0])


def reliability_curve(
    scores: np.ndarray, positive: np.ndarray, bins: int = 10, binning: str = "equal_mass"
) -> list[ReliabilityPoint]:
    """Compute mean score and fraction of TB of bins with images; a score on an edge belongs to the bin below it."""
    edges = bin_edges(scores, bins, binning)
    position = _bin_of(np.asarray(scores, dtype=float), edges)
    points = []
    for index in np.unique(position):
        inside = position == index
        of = (float(edges[index]), float(edges[index + 1]), int(inside.sum()), float(scores[inside].mean()))
        points.append(ReliabilityPoint(*of, *map(float, wilson(positive[inside].sum(), inside.sum()))))
    return points


def calibration_error(counts: ScoreCounts, edges: np.ndarray) -> np.ndarray:
    """Compute the expected calibration error, mean over images of |mean score - fraction of TB| of their bin."""
    member = _bin_of(counts.scores, edges)[:, None] == np.arange(len(edges) - 1)  # (U, bins)
    images = counts.positive + counts.negative
    gaps = np.abs((images * counts.scores) @ member - counts.positive @ member)
    return gaps.sum(-1) / images.sum(-1)


def weighted_calibration_error(
    scores: np.ndarray, positive: np.ndarray, bins: int = 10, binning: str = "equal_width"
) -> Statistic:
    """Make the calibration error a statistic of image weights; bins are those of all images."""
    edges = bin_edges(scores, bins, binning)
    return lambda weights: calibration_error(count_scores(scores, positive, weights), edges)


def error_if_calibrated(
    scores: np.ndarray, bins: int = 10, binning: str = "equal_width", repeats: int = 1000, seed: int = 0
) -> Interval:
    """Compute mean and 95 % range of the error that perfectly calibrated scores would show by chance on so many images.

    Labels are drawn by the scores, ``repeats`` times. An error within this range is no sign of miscalibration.
    """
    edges = bin_edges(scores, bins, binning)
    distinct, images = np.unique(scores, return_counts=True)
    tb = np.random.default_rng(seed).binomial(images, distinct, (repeats, len(distinct))).astype(float)
    errors = calibration_error(ScoreCounts(distinct, tb, images - tb), edges)
    low, high = np.quantile(errors, [0.025, 0.975])
    return Interval(float(np.mean(errors)), float(low), float(high), len(scores))


def brier_parts(scores: np.ndarray, positive: np.ndarray, bins: int = 10) -> dict[str, float]:
    """Decompose the Brier score (Murphy, Journal of Applied Meteorology 1973).

    ``brier`` = ``miscalibration`` - ``resolution`` + ``uncertainty`` + ``within_bins``: distance of the bins' scores
    from their fractions of TB, distance of these from the overall one (the more the better), variance of the labels,
    and what the bins (of equal mass) hide.
    """
    points = reliability_curve(scores, positive, bins)
    fraction, n = float(np.mean(positive)), len(scores)
    parts = {
        "miscalibration": sum(p.n * (p.mean_score - p.fraction_with_tb) ** 2 for p in points) / n,
        "resolution": sum(p.n * (p.fraction_with_tb - fraction) ** 2 for p in points) / n,
        "uncertainty": fraction * (1 - fraction),
    }
    brier = float(brier_score(count_scores(scores, positive)))
    explained = parts["miscalibration"] - parts["resolution"] + parts["uncertainty"]
    return {"brier": brier, **parts, "within_bins": brier - explained}


def score_logits(scores: np.ndarray) -> np.ndarray:
    """Logits of scores of 0-1 that were rounded on writing: 0 and 1 become half a step, not infinity."""
    return logit(np.clip(np.asarray(scores, dtype=float), _HALF_STEP, 1 - _HALF_STEP))


def fit_temperature(logits: np.ndarray, positive: np.ndarray) -> Temperature:
    """Fit the temperature that makes labels ``(n,)`` most likely when log-odds of TB ``(n,)`` are divided by it.

    The probabilities that result are for images with the same fraction of TB. Source: Guo et al., "On Calibration of
    Modern Neural Networks", ICML 2017, https://arxiv.org/abs/1706.04599.

    Raises:
        ValueError: one of the two classes is missing.
    """
    logits, positive = np.asarray(logits, dtype=float), np.asarray(positive, dtype=bool)
    if not positive.any() or positive.all():
        raise ValueError("A temperature needs images with TB and images without; give both.")
    signed = np.where(positive, logits, -logits)

    def nll(log_temperature: float) -> float:
        return float(np.logaddexp(0, -signed / np.exp(log_temperature)).mean())

    limits = np.log(_TEMPERATURES)
    best = minimize_scalar(nll, bounds=tuple(limits), method="bounded", options={"xatol": 1e-7})
    at_limit = bool(np.abs(best.x - limits).min() < 1e-3)
    return Temperature(float(np.exp(best.x)), nll(0.0), float(best.fun), at_limit, len(logits))


def calibration_summary(
    scores: np.ndarray,
    positive: np.ndarray,
    groups: Groups = None,
    resamples: int = 2000,
    seed: int = 0,
    fit_on: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Everything of this file for scores of 0-1 and labels ``(n,)``, JSON-able.

    The temperature is fitted on scores and labels of other images, ``fit_on``; None: on these ones. Keys:
    ``expected_calibration_error`` and ``reliability`` by binning, ``brier_parts``, ``temperature_scaling``.
    """
    fit_scores, fit_positive = (scores, positive) if fit_on is None else fit_on
    fitted = fit_temperature(score_logits(fit_scores), fit_positive)

    def error(values: np.ndarray, binning: str) -> dict[str, Any]:
        statistic = weighted_calibration_error(values, positive, binning=binning)
        interval = bootstrap_weighted(statistic, len(values), resamples, seed, groups)
        return {
            **interval.as_dict(),
            "if_calibrated": error_if_calibrated(values, binning=binning, seed=seed).as_dict(),
        }

    return {
        "expected_calibration_error": {binning: error(scores, binning) for binning in BINNINGS},
        "reliability": {
            binning: [point._asdict() for point in reliability_curve(scores, positive, binning=binning)]
            for binning in BINNINGS
        },
        "brier_parts": {name: round(number, 6) for name, number in brier_parts(scores, positive).items()},
        "temperature_scaling": {
            **fitted._asdict(),
            "expected_calibration_error_after": error(expit(score_logits(scores) / fitted.temperature), "equal_mass"),
        },
    }


def _bin_of(scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin of each score, from 0; a score on an inner edge belongs to the lower bin."""
    return np.searchsorted(edges[1:-1], scores, side="left")
