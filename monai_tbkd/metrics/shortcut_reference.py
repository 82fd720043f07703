"""How well the label can be told without looking at a lung: what a high AUC on a data set is worth."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from monai_tbkd.data.film_scan import FilmScan, scan_films
from monai_tbkd.metrics.bootstrap import Interval, area_under_roc, bootstrap_statistic

DEFINITIONS = {
    "shortcuts": (
        "by hospital, the cross-validated AUC of linear models that see no detail: a 16 x 16 thumbnail with five "
        "intensity statistics, and the outer frame alone; what an AUC has above it is what it is worth"
    )
}
_THUMBNAIL = 16
_FRAME_SIDE, _FRAME_WIDTH = 32, 3  # 9.4 % of the film on each side
Floats = NDArray[np.float64]


def shortcut_reference(
    thumbnails: NDArray[np.uint8],
    statistics: NDArray[np.float32],
    positive: NDArray[np.bool_],
    groups: Sequence[str],
    folds: int = 5,
    penalty: float = 10.0,
    resamples: int = 1000,
) -> dict[str, Interval]:
    """Cross-validated AUC of two linear models that see no detail: neither could tell a lesion from a bad exposure.

    Ridge-penalized logistic regressions on standardized features. Folds are dealt out by the hash of the group, each
    class in turn, so that they are the same everywhere and a patient is in one of them.

    Args:
        thumbnails: ``(N, S, S)``, S a multiple of 32, gray values stretched as for a network.
        statistics: ``(N, 5)``, intensity statistics of each film.
        positive: ``(N,)``, whether the film is one of tuberculosis.
        groups: ``(N,)``, the patient, or the film's name.
        folds: parts of the cross-validation; fewer where a class has fewer groups.
        penalty: weight of the squared coefficients.
        resamples: bootstrap samples, of groups.

    Returns:
        ``"thumbnail"`` (16 x 16 gray values and the statistics) and ``"frame"`` (the outer 9.4 % alone): AUC with its
        95 % interval; nan where a class has fewer than two groups.

    Raises:
        ValueError: thumbnails of another size, or lengths that differ.

    Example:
        >>> dark = np.repeat(np.array([10, 200], dtype=np.uint8), 20)[:, None, None] * np.ones((64, 64), np.uint8)
        >>> labels = np.repeat([False, True], 20)
        >>> names = [str(i) for i in range(40)]
        >>> shortcut_reference(dark, np.zeros((40, 5), np.float32), labels, names, resamples=20)["frame"].value
        1.0
    """
    side = thumbnails.shape[-1]
    if thumbnails.ndim != 3 or thumbnails.shape[1] != side or side % _FRAME_SIDE:
        raise ValueError(f"Thumbnails of shape {thumbnails.shape}; expected (N, S, S), S a multiple of {_FRAME_SIDE}.")
    if not len(thumbnails) == len(statistics) == len(positive) == len(groups):
        raise ValueError("Thumbnails, statistics, labels and groups of different lengths; expected one each a film.")
    positive = np.asarray(positive, dtype=bool)
    views = {
        "thumbnail": np.concatenate([_smaller(thumbnails, _THUMBNAIL).reshape(len(thumbnails), -1), statistics], 1),
        "frame": _frame(_smaller(thumbnails, _FRAME_SIDE)),
    }
    fold_of = _folds(positive, groups, folds)
    patients = groups if len(set(groups)) < len(groups) else None
    result = {}
    for name, features in views.items():
        scores = _out_of_fold(features, positive, fold_of, penalty)
        if not scores.size:
            result[name] = Interval(np.nan, np.nan, np.nan, len(positive))
            continue

        def auc(films: NDArray[np.intp], scores: Floats = scores) -> float:
            return area_under_roc(scores[films], positive[films])

        result[name] = bootstrap_statistic(auc, len(positive), resamples, groups=patients)
    return result


def film_shortcuts(items: Sequence[Mapping[str, Any]], scans: Sequence[FilmScan]) -> dict[str, Interval]:
    """`shortcut_reference` of films that were scanned; empty where none can be used.

    Args:
        items: data list items; ``patient_id`` where known.
        scans: one an item.
    """
    films = [(item, scan) for item, scan in zip(items, scans, strict=True) if scan.reason is None]
    if not films:
        return {}
    return shortcut_reference(
        np.stack([scan.thumbnail for _, scan in films]),
        np.stack([scan.statistics for _, scan in films]),
        np.array([item["class_name"] == "tb" for item, _ in films]),
        # The two kinds of group must not meet: a patient may be called what another film is called.
        [f"patient:{i['patient_id']}" if i.get("patient_id") else f"name:{i['name']}" for i, _ in films],
    )


def shortcuts_by_source(
    items: Sequence[Mapping[str, Any]], scans: Sequence[FilmScan] | None = None
) -> dict[str, dict[str, Interval]]:
    """What an AUC is worth in each hospital: `film_shortcuts` within the films of one.

    Args:
        items: data list items.
        scans: one an item; None reads their files.

    Returns:
        By ``source``; hospitals with films of one class alone are left out.
    """
    scans = scan_films([item["image"] for item in items]) if scans is None else scans
    found = {}
    for source in dict.fromkeys(str(item.get("source", "")) for item in items):
        own = [i for i, item in enumerate(items) if str(item.get("source", "")) == source]
        if len({items[i]["class_name"] == "tb" for i in own}) > 1:
            found[source] = film_shortcuts([items[i] for i in own], [scans[i] for i in own])
    return {source: aucs for source, aucs in found.items() if aucs}


def shortcut_verdict(aucs: dict[str, Interval]) -> str:
    """What `shortcut_reference` means, in a sentence.

    Args:
        aucs: its result.

    Example:
        >>> shortcut_verdict({"frame": Interval(0.97, 0.96, 0.98, 900)}).split(":")[0]
        'AUC 0.970 without a look at any detail'
    """
    best = max((interval.value for interval in aucs.values() if not np.isnan(interval.value)), default=np.nan)
    if np.isnan(best):
        return "Shortcuts cannot be measured: TB films and others are needed, at least two of each."
    opening = f"AUC {best:.3f} without a look at any detail: "
    if best >= 0.9:
        return opening + "a high AUC of a model on these films says next to nothing about tuberculosis."
    if best >= 0.7:
        return opening + "only what a model's AUC has above this can come from more than such cues."
    return opening + "these cues alone do not tell the label; others (text, markers, noise) may."


def _smaller(thumbnails: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    cell = thumbnails.shape[-1] // side
    cells = thumbnails.reshape(len(thumbnails), side, cell, side, cell)
    result: NDArray[np.float32] = cells.mean((2, 4), dtype=np.float32)
    return result


def _frame(films: NDArray[np.float32]) -> NDArray[np.float32]:
    frame = np.ones(films.shape[1:], dtype=bool)
    frame[_FRAME_WIDTH:-_FRAME_WIDTH, _FRAME_WIDTH:-_FRAME_WIDTH] = False
    return films[:, frame]


def _folds(positive: NDArray[np.bool_], groups: Sequence[str], folds: int) -> NDArray[np.intp]:
    """The fold of each film; all -1 where cross-validation is not possible."""
    sick = {group for group, label in zip(groups, positive.tolist(), strict=True) if label}
    well = set(groups) - sick
    folds = min(folds, len(sick), len(well))
    if folds < 2:
        return np.full(len(groups), -1)
    fold_of = {}
    for part in (sick, well):
        ranked = sorted(part, key=lambda group: hashlib.sha256(group.encode()).hexdigest())
        fold_of.update({group: number % folds for number, group in enumerate(ranked)})
    return np.array([fold_of[group] for group in groups])


def _out_of_fold(
    features: NDArray[np.float32], positive: NDArray[np.bool_], fold_of: NDArray[np.intp], penalty: float
) -> Floats:
    """A score a film from the model that was not fitted on its fold; empty where there are no folds."""
    if (fold_of < 0).any() or not len(fold_of):
        return np.zeros(0)
    scores = np.zeros(len(features))
    for fold in range(int(fold_of.max()) + 1):
        held_out = fold_of == fold
        train = features[~held_out].astype(np.float64)
        mean, deviation = train.mean(0), train.std(0)
        # What does not vary in training says nothing, whatever it does elsewhere.
        usable = deviation > 1e-6
        train = (train[:, usable] - mean[usable]) / deviation[usable]
        weights = _fit_logistic(train, positive[~held_out], penalty)
        standardized = (features[held_out][:, usable] - mean[usable]) / deviation[usable]
        scores[held_out] = standardized @ weights[:-1] + weights[-1]
    return scores


def _fit_logistic(features: Floats, positive: NDArray[np.bool_], penalty: float) -> Floats:
    """Coefficients and, last, the intercept, which is not penalized."""

    def loss(weights: Floats) -> tuple[float, Floats]:
        logits = features @ weights[:-1] + weights[-1]
        value = np.logaddexp(0, logits).sum() - logits[positive].sum() + 0.5 * penalty * weights[:-1] @ weights[:-1]
        error = expit(logits) - positive
        return float(value), np.append(features.T @ error + penalty * weights[:-1], error.sum())

    start = np.zeros(features.shape[1] + 1)
    result: Floats = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return result
