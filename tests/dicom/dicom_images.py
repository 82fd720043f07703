"""Images and findings to make DICOM results of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.uid import generate_uid

from monai_tbkd.dicom import BoxFinding, ImageFinding
from tests.data.golden_dicom import ramp, write_image

MODEL = "monai_tbkd 0.1.0, model 0a1b2c3d4e5f"
# what a modality always writes, so that a validator has nothing to say of the image itself
COMPLETE = {
    "PatientBirthDate": "19800229", "PatientSex": "F", "StudyDate": "20260102", "StudyTime": "030405", "StudyID": "7",
    "AccessionNumber": "acc-7", "ReferringPhysicianName": "Referring^Physician", "SeriesNumber": 1, "InstanceNumber": 1,
    "Manufacturer": "Maker", "ManufacturerModelName": "Machine", "SoftwareVersions": "3",
}  # fmt: skip


def complete_image(path: Path, **elements: Any) -> Path:
    """A 12-bit CR image of 41 x 57 pixels that lacks nothing."""
    return write_image(path, ramp(0, 4095), 12, **{**COMPLETE, **elements})


def odd_image(path: Path, rows: int, columns: int, **elements: Any) -> Path:
    """A complete image of any size."""
    stored = np.random.default_rng(rows).integers(0, 4096, (rows, columns))
    return write_image(path, stored, 12, **{**COMPLETE, "SOPInstanceUID": generate_uid(), **elements})


def finding(*boxes: tuple[float, float, float, float, float], score: float = 0.9123, **more: Any) -> ImageFinding:
    """TB suggestive, with boxes."""
    given: dict[str, Any] = {"threshold": 0.5, "decision": "TB suggestive", "threshold_id": "config"}
    return ImageFinding(score, boxes=tuple(BoxFinding(*box) for box in boxes), model_version=MODEL, **{**given, **more})


TWO_BOXES = ((3.0, 4.5, 20.0, 30.25, 0.9123), (30.0, 2.0, 57.0, 41.0, 0.61))
"""On the image of `complete_image`; the second reaches into a corner."""
