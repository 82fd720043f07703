from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_tbkd.data.files.atomic_write import write_json
from monai_tbkd.engines import load_operating_point
from monai_tbkd.metrics.calibrated_threshold import CalibratedThreshold, write_threshold
from monai_tbkd.networks.checkpoint import file_sha256


def test_operating_point_is_taken_for_its_own_model_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, point = tmp_path / "model.pt", tmp_path / "operating_point.json"
    model.write_bytes(b"weights")
    chosen = {"map_threshold": 0.3, "score_threshold": 0.4, "mode": "absolute", "chosen_on": "select split, 9 images"}
    write_json(point, {**chosen, "model_sha256": file_sha256(model)})
    taken = load_operating_point(point, model)
    assert taken == {
        "map_threshold": 0.3,
        "score_threshold": 0.4,
        "mode": "absolute",
        "id": "evaluate: select split, 9 images",
        "input_kind": "mixed",
    }
    given = load_operating_point(point, model, score_threshold=0.9)  # what the user gives wins, and is said
    assert (given["map_threshold"], given["score_threshold"]) == (0.3, 0.9)
    assert given["id"] == "config: score_threshold; evaluate: select split, 9 images"
    model.write_bytes(b"other weights")
    other = load_operating_point(point, model)
    assert (other["map_threshold"], other["score_threshold"], other["id"]) == (0.5, 0.5, "default")
    assert "another model" in caplog.text
    assert load_operating_point(tmp_path / "none.json", model, 0.5, 0.6, "relative")["id"].startswith("config")


def test_a_calibrated_threshold_is_taken_for_its_own_model_alone(tmp_path: Path) -> None:
    image_set = {"name": "clinic", "sha256": "0" * 64, "images": 18}
    calibrated = CalibratedThreshold(70.0, "sensitivity=0.9", "monai_tbkd 1, model a", "dicom", image_set)
    write_threshold(tmp_path / "threshold.json", calibrated)
    nowhere = tmp_path / "none"
    options = {"threshold_file": tmp_path / "threshold.json"}
    taken = load_operating_point(nowhere, nowhere, **options, model_version="monai_tbkd 1, model a")
    assert (taken["score_threshold"], taken["map_threshold"], taken["input_kind"]) == (0.7, 0.5, "dicom")
    assert calibrated.id in taken["id"]
    with pytest.raises(ValueError, match="one model version only"):
        load_operating_point(nowhere, nowhere, **options, model_version="monai_tbkd 1, model b")
    given = load_operating_point(nowhere, nowhere, score_threshold=0.2, **options, model_version="any")
    assert (given["score_threshold"], given["input_kind"]) == (0.2, "mixed")


def test_json_is_whole_and_finite(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "m.json", {"x": 1})
    assert json.loads((tmp_path / "a" / "m.json").read_text()) == {"x": 1}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a" / "m.json", {"x": float("nan")})
    assert json.loads((tmp_path / "a" / "m.json").read_text()) == {"x": 1}
