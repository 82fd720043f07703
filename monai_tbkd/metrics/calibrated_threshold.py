"""A threshold with everything that it is valid for, and its refusal for anything else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monai_tbkd.data.files.atomic_write import write_json
from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.transforms import NOTICE

SCHEMA_VERSION = 1
MIXED = "mixed"
# "converted": raw values that another program has taken out of DICOM, neither windowed like a picture nor read as DICOM
_KIND_OF = {
    "dicom": "dicom",
    **dict.fromkeys(("png", "jpeg", "tiff", "bmp"), "picture"),
    **dict.fromkeys(("nifti", "metaimage", "nrrd"), "converted"),
}
INPUT_KINDS = (*dict.fromkeys(_KIND_OF.values()), MIXED)
BEFORE_USE = (
    "Before a site relies on a score, it scores images of its own whose truth is known by culture or a molecular test, "
    "at least 50 with TB and 50 without, of the people and devices that it will be used on. "
    "`python -m monai_tbkd calibrate` then tells AUC, sensitivity and specificity with their intervals, and writes a "
    "threshold for this model and this kind of file. Another model version, device or file format needs it anew."
)
"""What a site does first; it stands wherever scores are shown to a person for the first time."""


@dataclass(frozen=True)
class CalibratedThreshold:
    """What ``calibrate`` has chosen, as ``threshold.json`` holds it."""

    threshold_0_100: float  # an image that scores at or above it is TB suggestive
    chosen_by: str  # the target
    model_version: str  # whose scores it is for
    input_kind: str  # what images it is for, one of INPUT_KINDS
    calibration_set: Mapping[str, Any]  # name, sha256 of names and labels, and numbers of images

    @property
    def score_threshold(self) -> float:
        """The threshold for scores of 0-1."""
        return self.threshold_0_100 / 100

    @property
    def id(self) -> str:
        """One line for ``threshold_id``: how it was chosen, on what."""
        images = self.calibration_set
        size = f"{images['images']} images, sha256 {images['sha256'][:12]}"
        return f"calibrate: {self.chosen_by} on {images['name']} ({size})"


def calibration_sha256(names: Iterable[str], positive: Iterable[bool]) -> str:
    """Hash which images have which labels (1 for TB, else 0), whatever their order."""
    lines = sorted(f"{name} {int(label)}" for name, label in zip(names, positive, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_threshold(path: str | Path, threshold: CalibratedThreshold, **facts: Any) -> None:
    """Write ``threshold.json``; ``facts`` are JSON-able, for readers, and not read back."""
    write_json(path, {"schema_version": SCHEMA_VERSION, "notice": NOTICE, **asdict(threshold), **facts})


def load_threshold(path: str | Path, model_version: str) -> CalibratedThreshold:
    """Read ``threshold.json`` for a model.

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
            {key: content["calibration_set"][key] for key in ("name", "sha256", "images")},
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
    """Return the input kind of a ``source_format`` of ``predictions.csv``; None where the format is not known."""
    return _KIND_OF.get(source_format or "")


def input_kind_fault(calibrated_kind: str, source_format: str | None) -> str:
    """Say why a threshold of a kind of input does not hold for an image, in a sentence; empty where it does."""
    kind = input_kind_of(source_format)
    if calibrated_kind in (MIXED, kind):
        return ""
    found = f"a {source_format} file ({kind})" if kind else f"of the format {source_format or 'unknown'}"
    return (
        f"The threshold was calibrated on input of kind {calibrated_kind}, and the image is {found}; models score "
        f"the kinds differently, so calibrate on such images, or on both with --input_kind {MIXED}."
    )
