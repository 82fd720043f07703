"""A hospital that is held out, and one without a box anywhere."""

from __future__ import annotations

import csv
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_tbkd.data.phantom import write_phantom_dataset

pytestmark = pytest.mark.bundle


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms of another hospital, in folders of classes: without boxes."""
    folder = tmp_path_factory.mktemp("hospital")
    made = write_phantom_dataset(folder / "made", n_train={"health": 12, "tb": 12}, n_val={}, size=128, seed=7)
    for name in ("health", "tb"):
        shutil.copytree(made / "imgs" / name, folder / "elsewhere" / name)
    return folder / "elsewhere"


@pytest.mark.usefixtures("undrawn")
def test_a_hospital_without_boxes_is_reported(
    trained: Path, elsewhere: Path, small_run: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "monai_tbkd")
    shutil.copytree(trained / "models", tmp_path / "models")
    small_run(["train", "evaluate"], test_dir=str(elsewhere), board_dir=str(tmp_path / "board"))
    result = json.loads((tmp_path / "out" / "metrics.json").read_text())
    before = json.loads((trained / "out" / "metrics.json").read_text())
    student, home = (each["predictors"]["student"] for each in (result, before))
    assert student["operating_point"] == home["operating_point"]
    assert student["at_threshold"]["operating_point"]["sensitivity"]["n"] == 12
    assert student["auc"]["n"] == 24 and "union_mask_miou" not in student
    assert result["provenance"]["settings"]["train_sha256"] == before["provenance"]["settings"]["train_sha256"]
    assert "localization is left out" in (tmp_path / "out" / "report.html").read_text()
    assert set(result["shortcuts"]) == {"elsewhere"}
    assert "no lesion seen: thumbnail" in caplog.text
    with (tmp_path / "out" / "images.csv").open(newline="") as file:
        assert {row["source"] for row in csv.DictReader(file)} == {"elsewhere"}
    assert list((tmp_path / "out" / "comparison").glob("*.png"))


@pytest.mark.usefixtures("undrawn")
def test_a_hospital_without_boxes_trains(elsewhere: Path, phantoms: Path, small_run: Callable, tmp_path: Path) -> None:
    given = {"dataset_dir": str(elsewhere), "test_dir": str(phantoms), "balance": "source"}
    small_run(["train"], **given)
    small_run(["train", "evaluate"], **given)
    result = json.loads((tmp_path / "out" / "metrics.json").read_text())
    student = result["predictors"]["student"]
    assert "no box used" in student["operating_point"]["chosen_on"]
    assert len(result["left_out"]) == 2 and "blind_prior" not in result["predictors"]
    assert student["union_mask_miou"]["n"] == 19  # all of them: of train and of val
