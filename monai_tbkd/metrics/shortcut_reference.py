"""How well the label can be told without seeing a lung: what a high AUC on a data set is worth."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.audit.image_scan import ImageScan, scan_images
from monai_tbkd.metrics.bootstrap import Interval, group_codes, interval_of_draws
from monai_tbkd.metrics.image_level import weighted_image_level

DEFINITIONS = {
    "shortcuts": (
        "by hospital, the cross-validated AUC of linear models that see no detail: a 16 x 16 thumbnail with five "
        "intensity statistics, and the outer frame alone; what an AUC has above it is what it is worth"
    )
}
_THUMBNAIL = 16
_FRAME_SIDE, _FRAME_WIDTH = 32, 3  # 9.4 % of the image on each side
_FOLDS, _PENALTY = 5, 10.0


def shortcut_reference(
    thumbnails: NDArray[np.uint8],
    statistics: NDArray[np.float32],
    positive: NDArray[np.bool_],
    groups: Sequence[str],
    resamples: int = 1000,
) -> dict[str, Interval]:
    """Cross-validated AUC of two linear models that see no detail: neither could tell a lesion from a bad exposure.

    Ridge-penalized logistic regressions on standardized features, of ``"thumbnail"`` (16 x 16 gray values and the
    statistics) and ``"frame"`` (the outer 9.4 % alone). nan where a class has fewer than two groups.

    Args:
        thumbnails: ``(N, S, S)``, S a multiple of 32, gray values stretched as for a network.
        statistics: ``(N, 5)``, intensity statistics of each image.
        positive: ``(N,)``, whether the image is one of tuberculosis.
        groups: ``(N,)``, the patient, or the image's name; whole groups are held out and resampled.
        resamples: bootstrap samples.

    Raises:
        ValueError: thumbnails of another size, or lengths that differ.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    n, side = len(thumbnails), thumbnails.shape[-1]
    if thumbnails.ndim != 3 or thumbnails.shape[1] != side or side % _FRAME_SIDE:
        raise ValueError(f"Thumbnails of shape {thumbnails.shape}; expected (N, S, S), S a multiple of {_FRAME_SIDE}.")
    if not n == len(statistics) == len(positive) == len(groups):
        raise ValueError("Thumbnails, statistics, labels and groups of different lengths; expected one each an image.")
    positive = np.asarray(positive, dtype=bool)
    frame = np.ones((_FRAME_SIDE, _FRAME_SIDE), dtype=bool)
    frame[_FRAME_WIDTH:-_FRAME_WIDTH, _FRAME_WIDTH:-_FRAME_WIDTH] = False
    views = {
        "thumbnail": np.concatenate([_smaller(thumbnails, _THUMBNAIL).reshape(n, -1), statistics], 1),
        "frame": _smaller(thumbnails, _FRAME_SIDE)[:, frame],
    }
    fold_of = _folds(positive, groups)
    if fold_of is None:
        return dict.fromkeys(views, Interval(np.nan, np.nan, np.nan, n))
    codes = group_codes(groups, n)
    # Drawn by index, as published intervals were.
    drawn = np.random.default_rng(0).integers(0, codes.max() + 1, (resamples, codes.max() + 1))
    weights = np.stack([np.bincount(each, minlength=drawn.shape[1]) for each in drawn])[:, codes]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / _PENALTY, max_iter=500, tol=1e-8))
    found = {}
    for name, features in views.items():
        scores = cross_val_predict(
            model, features.astype(float), positive, cv=PredefinedSplit(fold_of), method="decision_function"
        )
        auc = weighted_image_level("auc", scores, positive)
        found[name] = interval_of_draws(auc(weights), float(auc(np.ones((1, n)))[0]), n)
    return found


def image_shortcuts(items: Sequence[Mapping[str, Any]], scans: Sequence[ImageScan]) -> dict[str, Interval]:
    """Compute `shortcut_reference` of images that were scanned; empty where none can be used."""
    images = [(item, scan) for item, scan in zip(items, scans, strict=True) if scan.reason is None]
    if not images:
        return {}
    return shortcut_reference(
        np.stack([scan.thumbnail for _, scan in images]),
        np.stack([scan.statistics for _, scan in images]),
        np.array([item["class_name"] == "tb" for item, _ in images]),
        # The two kinds of group must not meet: a patient may be called what another image is called.
        [f"patient:{i['patient_id']}" if i.get("patient_id") else f"name:{i['name']}" for i, _ in images],
    )


def shortcuts_by_source(
    items: Sequence[Mapping[str, Any]], scans: Sequence[ImageScan] | None = None
) -> dict[str, dict[str, Interval]]:
    """Compute `image_shortcuts` within each hospital that has both classes; without scans, their files are read."""
    scans = scan_images([item["image"] for item in items]) if scans is None else scans
    found = {}
    for source in dict.fromkeys(str(item.get("source", "")) for item in items):
        own = [i for i, item in enumerate(items) if str(item.get("source", "")) == source]
        if len({items[i]["class_name"] == "tb" for i in own}) > 1:
            found[source] = image_shortcuts([items[i] for i in own], [scans[i] for i in own])
    return {source: aucs for source, aucs in found.items() if aucs}


def shortcut_verdict(aucs: Mapping[str, Interval]) -> str:
    """Say what the AUCs of `shortcut_reference` mean, in a sentence."""
    best = max((interval.value for interval in aucs.values() if not np.isnan(interval.value)), default=np.nan)
    if np.isnan(best):
        return "Shortcuts cannot be measured: TB images and others are needed, at least two of each."
    opening = f"AUC {best:.3f} without a look at any detail: "
    if best >= 0.9:
        return opening + "a high AUC of a model on these images says next to nothing about tuberculosis."
    if best >= 0.7:
        return opening + "only what a model's AUC has above this can come from more than such cues."
    return opening + "these cues alone do not tell the label; others (text, markers, noise) may."


def _smaller(thumbnails: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    cell = thumbnails.shape[-1] // side
    cells = thumbnails.reshape(len(thumbnails), side, cell, side, cell)
    return cells.mean((2, 4), dtype=np.float32)


def _folds(positive: NDArray[np.bool_], groups: Sequence[str]) -> NDArray[np.intp] | None:
    """The fold of each image; None where cross-validation is not possible.

    Dealt out by the hash of the group, each class in turn: the same in every order of the images, as scikit-learn's
    folds are not.
    """
    sick = {group for group, label in zip(groups, positive.tolist(), strict=True) if label}
    well = set(groups) - sick
    folds = min(_FOLDS, len(sick), len(well))
    if folds < 2:
        return None
    fold_of = {}
    for part in (sick, well):
        ranked = sorted(part, key=lambda group: hashlib.sha256(group.encode()).hexdigest())
        fold_of.update({group: number % folds for number, group in enumerate(ranked)})
    return np.array([fold_of[group] for group in groups])
