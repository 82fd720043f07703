"""A threshold with everything that it is valid for, and its refusal for anything else."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_tbkd.data.outside_text import read_text
from monai_tbkd.data.whole_file import write_json
from monai_tbkd.transforms import NOTICE

SCHEMA_VERSION = 1
MIXED = "mixed"
_KINDS = {
    "dicom": ("dicom",),
    "picture": ("png", "jpeg", "tiff", "bmp"),
    # Raw values that another program has taken out of DICOM: neither windowed like a picture nor read as DICOM is.
    "converted": ("nifti", "metaimage", "nrrd"),
}
INPUT_KINDS = (*_KINDS, MIXED)
_KIND_OF = {source_format: kind for kind, formats in _KINDS.items() for source_format in formats}
_TOLERANCE = 1e-9
BEFORE_USE = (
    "Before a site relies on a score, it scores images of its own whose truth is known by culture or a molecular test, "
    "at least 50 with TB and 50 without, of the people and devices that it will be used on. "
    "`python -m monai_tbkd calibrate` then tells AUC, sensitivity and specificity with their intervals, and writes a "
    "threshold for this model and this kind of file. Another model version, device or file format needs it anew."
)
"""What a site does first; it stands wherever scores are shown to a person for the first time."""


@dataclass(frozen=True)
class CalibratedThreshold:
    """What ``calibrate`` has chosen, as ``threshold.json`` holds it.

    Args:
        threshold_0_100: a film that scores at or above it is TB suggestive.
        chosen_by: the target.
        model_version: whose scores it is for.
        input_kind: what films it is for, one of `INPUT_KINDS`.
        calibration_set: ``name``, ``sha256`` of names and labels, and numbers of films.
    """

    threshold_0_100: float
    chosen_by: str
    model_version: str
    input_kind: str
    calibration_set: Mapping[str, Any]

    @property
    def score_threshold(self) -> float:
        """The threshold for scores of 0-1."""
        return self.threshold_0_100 / 100

    @property
    def id(self) -> str:
        """One line for ``threshold_id``: how it was chosen, on what."""
        films = self.calibration_set
        return f"calibrate: {self.chosen_by} on {films['name']} ({films['films']} films, sha256 {films['sha256'][:12]})"


def choose_threshold(scores: np.ndarray, positive: np.ndarray, target: str = "sensitivity=0.9") -> float:
    """The threshold that reaches a target with as little loss as possible, halfway between two scores.

    Args:
        scores: 0-100, ``(n,)``, without nan.
        positive: which films have TB, bool ``(n,)``.
        target: ``"sensitivity=0.9"`` (the highest threshold with at least this sensitivity), ``"specificity=0.7"``
            (the lowest one with at least this specificity), or ``"youden"`` (the best sum of both; of equal ones the
            lowest).

    Raises:
        ValueError: a target that is not understood or cannot be reached, or one of the two classes is missing.

    Example:
        >>> choose_threshold(np.array([10.0, 20.0, 60.0]), np.array([False, False, True]), "youden")
        40.0
    """
    kind, wanted = _parse(target)
    scores, positive = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    if not positive.any() or positive.all():
        raise ValueError("A threshold needs films with TB and films without; give both.")
    distinct = np.unique(scores)
    # Halfway, as written scores are rounded: one on a score could part a film from its own row.
    above = [(distinct[-1] + 100) / 2] if distinct[-1] < 100 else []
    candidates = np.concatenate([[0.0], (distinct[1:] + distinct[:-1]) / 2, above])
    sensitivity = _share_at_or_above(scores[positive], candidates)
    specificity = 1 - _share_at_or_above(scores[~positive], candidates)
    if kind == "youden":
        return float(candidates[int((sensitivity + specificity).argmax())])
    reached = (sensitivity if kind == "sensitivity" else specificity) >= wanted - _TOLERANCE
    if not reached.any():
        raise ValueError(
            f"No threshold reaches {target} (films without TB score as high as any); choose a lower target."
        )
    return float(candidates[reached].max() if kind == "sensitivity" else candidates[reached].min())


def calibration_sha256(names: Iterable[str], positive: Iterable[bool]) -> str:
    """Which films with which labels (1 for TB, else 0), whatever their order."""
    lines = sorted(f"{name} {int(label)}" for name, label in zip(names, positive, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_threshold(path: str | Path, threshold: CalibratedThreshold, **facts: Any) -> None:
    """Write ``threshold.json``.

    Args:
        path: the file.
        threshold: what was chosen.
        facts: JSON-able, for readers; not read back.
    """
    write_json(
        path,
        {
            "schema_version": SCHEMA_VERSION,
            "notice": NOTICE,
            "threshold_0_100": threshold.threshold_0_100,
            "chosen_by": threshold.chosen_by,
            "model_version": threshold.model_version,
            "input_kind": threshold.input_kind,
            "calibration_set": dict(threshold.calibration_set),
            **facts,
        },
    )


def load_threshold(path: str | Path, model_version: str) -> CalibratedThreshold:
    """Read a threshold for a model, and refuse that of another.

    An upgraded model with the threshold of the one before finds other films than was promised, so there is no way
    around this but to calibrate anew.

    Args:
        path: what ``calibrate`` wrote.
        model_version: of the model that is going to score, as in ``predictions.csv``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, or of another model version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such threshold file; write one with calibrate.")
    try:
        content = json.loads(read_text(path))
        threshold = CalibratedThreshold(
            float(content["threshold_0_100"]),
            str(content["chosen_by"]),
            str(content["model_version"]),
            str(content["input_kind"]),
            {key: content["calibration_set"][key] for key in ("name", "sha256", "films")},
        )
        valid = content["schema_version"] == SCHEMA_VERSION and threshold.input_kind in INPUT_KINDS
        valid = valid and 0 <= threshold.threshold_0_100 <= 100
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path}: not a threshold that calibrate has written; write it anew.") from error
    if not valid:
        raise ValueError(f"{path}: not a threshold that this version can read; write it anew with calibrate.")
    if threshold.model_version != model_version:
        raise ValueError(
            f"{path} was calibrated for {threshold.model_version!r}, and the model here is {model_version!r}; a "
            "threshold is valid for one model version only, so calibrate this one, or use the model it was made for."
        )
    return threshold


def input_kind_of(source_format: str | None) -> str | None:
    """What kind of input a film's format is; None where the format is not known.

    Args:
        source_format: as in ``predictions.csv``: ``"png"``, ``"jpeg"``, ``"tiff"``, ``"bmp"``, ``"dicom"``,
            ``"nifti"``, ``"metaimage"``, ``"nrrd"``.

    Example:
        >>> input_kind_of("jpeg"), input_kind_of("dicom"), input_kind_of("nifti")
        ('picture', 'dicom', 'converted')
    """
    return _KIND_OF.get(source_format or "")


def input_kind_fault(calibrated_kind: str, source_format: str | None) -> str:
    """Why a threshold does not hold for a film, a sentence; empty where it does.

    Args:
        calibrated_kind: of the films that the threshold was chosen on; ``mixed`` holds for all.
        source_format: see `input_kind_of`.
    """
    kind = input_kind_of(source_format)
    if calibrated_kind in (MIXED, kind):
        return ""
    found = f"a {source_format} file ({kind})" if kind else f"of the format {source_format or 'unknown'}"
    return (
        f"The threshold was calibrated on input of kind {calibrated_kind}, and the film is {found}; models score "
        f"the kinds differently, so calibrate on such films, or on both with --input_kind {MIXED}."
    )


def check_input_kind(threshold: CalibratedThreshold, source_format: str | None) -> None:
    """Refuse a film of a kind that the threshold is not for.

    Raises:
        ValueError: with the sentence of `input_kind_fault`.
    """
    fault = input_kind_fault(threshold.input_kind, source_format)
    if fault:
        raise ValueError(fault)


def _parse(target: str) -> tuple[str, float]:
    if target == "youden":
        return target, 0.0
    match = re.fullmatch(r"(sensitivity|specificity)=(0?\.\d+|1(?:\.0*)?)", target.strip())
    if match is None or not float(match[2]) > 0:
        raise ValueError(f"target is {target!r}; expected sensitivity=0.9, specificity=0.7 (0 to 1), or youden.")
    return match[1], float(match[2])


def _share_at_or_above(scores: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    return 1 - np.searchsorted(np.sort(scores), candidates, side="left") / len(scores)
