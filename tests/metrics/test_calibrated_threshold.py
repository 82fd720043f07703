from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from monai_tbkd.metrics.calibrated_threshold import (
    CalibratedThreshold,
    calibration_sha256,
    input_kind_fault,
    input_kind_of,
    load_threshold,
    write_threshold,
)

IMAGES = {"name": "clinic", "sha256": "ab" * 32, "images": 10}
VERSION = "monai_tbkd 0.1.0, model 0123456789ab"


def threshold(kind: str = "dicom") -> CalibratedThreshold:
    return CalibratedThreshold(61.5, "sensitivity=0.9", VERSION, kind, IMAGES)


def test_the_hash_is_of_names_and_labels_in_any_order() -> None:
    expected = hashlib.sha256(b"a.png 1\nb.png 0").hexdigest()
    assert calibration_sha256(["b.png", "a.png"], [False, True]) == expected
    assert calibration_sha256(["b.png", "a.png"], np.array([True, True])) != expected


def test_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "models" / "threshold.json"
    write_threshold(path, threshold(), at_threshold={"sensitivity": 0.9})
    assert load_threshold(path, VERSION) == threshold()
    assert threshold().score_threshold == pytest.approx(0.615)
    assert threshold().id == "calibrate: sensitivity=0.9 on clinic (10 images, sha256 abababababab)"
    assert json.loads(path.read_text())["notice"] == "research use only, not for diagnosis"


def test_another_model_is_refused(tmp_path: Path) -> None:
    write_threshold(tmp_path / "t.json", threshold())
    with pytest.raises(ValueError, match="valid for one model version only, so calibrate this one") as error:
        load_threshold(tmp_path / "t.json", "monai_tbkd 0.2.0, model 0123456789ab")
    assert VERSION in str(error.value)
    assert "0.2.0" in str(error.value)


@pytest.mark.parametrize(
    "change", [{"threshold_0_100": 200}, {"threshold_0_100": None}, {"input_kind": "jpg"}, {"schema_version": 2},
               {"calibration_set": {}}]
)  # fmt: skip
def test_a_damaged_file_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "t.json"
    write_threshold(path, threshold())
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match="write it anew"):
        load_threshold(path, VERSION)
    path.write_text("{")
    with pytest.raises(ValueError, match="write it anew"):
        load_threshold(path, VERSION)
    with pytest.raises(FileNotFoundError, match="write one with calibrate"):
        load_threshold(tmp_path / "none.json", VERSION)


def test_a_threshold_does_not_hold_for_another_kind_of_image() -> None:
    for kind, source_format in (("dicom", "dicom"), ("picture", "bmp"), ("mixed", "png"), ("mixed", None)):
        assert input_kind_fault(kind, source_format) == ""
    fault = input_kind_fault("dicom", "jpeg")
    assert "kind dicom, and the image is a jpeg file (picture); models score the kinds" in fault
    assert "of the format unknown" in input_kind_fault("picture", "")
    kinds = [input_kind_of(f) for f in ("png", "jpeg", "tiff", "bmp", "dicom", "nifti", "metaimage", "nrrd", "webp")]
    assert kinds == ["picture"] * 4 + ["dicom"] + ["converted"] * 3 + [None]
