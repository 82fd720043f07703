from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

from monai_tbkd.__main__ import main
from monai_tbkd.data import load_datalist
from monai_tbkd.engines.stages import training_settings
from monai_tbkd.metrics.calibrated_threshold import load_threshold
from monai_tbkd.metrics.screening_table import COLUMNS
from monai_tbkd.networks.checkpoint import model_version, write_checkpoint
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.bundle

VERSION = "monai_tbkd 0.1.0, model 0123456789ab"
TB = [90.0, 80, 70, 20]
OTHERS = [85.0, 60, 50, 30, 20, 10]


def write_csv(path: Path, *rows: tuple[Any, ...]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def ten_images(folder: Path, *more: tuple[Any, ...]) -> list[str]:
    """The command line for 4 images with TB and 6 without."""
    folder.mkdir(parents=True, exist_ok=True)
    scores = {f"tb{i}.png": s for i, s in enumerate(TB)} | {f"no{i}.png": s for i, s in enumerate(OTHERS)}
    head = ("name", "status", "reason", "source_format", "score_0_100", "model_version")
    done = [(name, "done", "", "png", score, VERSION) for name, score in scores.items()]
    predictions = write_csv(folder / "predictions.csv", head, *done, *more)
    names = [*scores, *(row[0] for row in more)]
    labels = [(name, "tb" if name.startswith("tb") else "normal") for name in names]
    table = write_csv(folder / "clinic.csv", ("image", "label"), *labels)
    given = {"predictions": predictions, "labels": table, "output": folder / "out"}
    return ["calibrate", "--resamples", "200", *(str(x) for key, value in given.items() for x in (f"--{key}", value))]


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "calibration.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_ten_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ten_images(tmp_path), "--target", "specificity=0.7", "--prevalence", "0.02"]) == 0
    rows = rows_of(tmp_path)
    assert list(rows[0]) == list(COLUMNS)
    assert [float(row["threshold"]) for row in rows] == list(range(101))  # 65 is one of them
    at_65 = rows[65]
    assert [int(at_65[k]) for k in ("n", "TP", "FP", "TN", "FN")] == [10, 3, 1, 5, 1]
    assert float(at_65["ppv"]) == pytest.approx(15 / (15 + 980 / 6), abs=1e-5)
    assert rows[100]["ppv"] == ""

    content = json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert content["notice"] == "research use only, not for diagnosis"
    assert content["image_level"]["auc"]["value"] == pytest.approx(17.5 / 24, abs=1e-6)
    assert content["image_level"]["auc"]["n"] == 10
    assert content["chosen"]["threshold"] == 65.0
    assert content["intervals"] == "95 %, over images, 200 resamples"

    threshold = load_threshold(tmp_path / "out" / "threshold.json", VERSION)
    assert (threshold.threshold_0_100, threshold.input_kind) == (65.0, "picture")
    assert threshold.calibration_set["name"] == "clinic"
    with pytest.raises(ValueError, match="valid for one model version only"):
        load_threshold(tmp_path / "out" / "threshold.json", "monai_tbkd 0.1.0, model ffffffffffff")
    assert Image.open(tmp_path / "out" / "calibration.png").width > 800
    printed = capsys.readouterr().out
    assert "10 images: 4 with TB, 6 without; 0 more have no score" in printed
    assert re.search(r"^65 < +0\.750 \[0\.301, 0\.954\] +0\.833", printed, re.M)
    assert "not for diagnosis" in printed


def test_a_threshold_between_whole_numbers_gets_a_row_of_its_own(tmp_path: Path) -> None:
    assert main([*ten_images(tmp_path), "--target", "specificity=1"]) == 0
    rows = rows_of(tmp_path)
    assert len(rows) == 102
    assert float(rows[88]["threshold"]) == 87.5
    assert json.loads((tmp_path / "out" / "threshold.json").read_text())["at_threshold"]["specificity"] == 1.0


def test_the_same_again_is_the_same_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert main(ten_images(tmp_path / name)) == 0
    for file in ("calibration.csv", "calibration.json", "threshold.json", "calibration.png"):
        assert (tmp_path / "one/out" / file).read_bytes() == (tmp_path / "two/out" / file).read_bytes()


def test_refused_images_are_counted_and_never_negative(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    refused = [
        ("tb9.png", "refused", "NOT_FRONTAL", "", "", VERSION),
        ("no9.png", "failed", "CORRUPT", "", "", VERSION),
    ]
    assert main(ten_images(tmp_path, *refused)) == 0
    assert "2 labeled images have no score (1 of them with TB; NOT_FRONTAL 1, CORRUPT 1)" in caplog.text
    row = rows_of(tmp_path)[0]
    assert [int(row[k]) for k in ("n", "TP", "FP", "TN", "FN")] == [10, 4, 6, 0, 0]
    assert (float(row["sensitivity"]), float(row["fraction_of_tb_found"])) == (1.0, 0.8)
    content = json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert [image["name"] for image in content["not_scored"]] == ["tb9.png", "no9.png"]


def test_intervals_are_over_patients_where_they_are_known(tmp_path: Path) -> None:
    arguments = ten_images(tmp_path)
    names = [f"tb{i}.png" for i in range(4)] + [f"no{i}.png" for i in range(6)]
    rows = [(name, "tb" if name.startswith("tb") else "normal", f"p{i // 2}") for i, name in enumerate(names)]
    write_csv(tmp_path / "clinic.csv", ("image", "label", "person"), *rows)
    assert main([*arguments, "--patient_column", "person"]) == 0
    content = json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert content["intervals"] == "95 %, over patients, 200 resamples"
    assert content["calibration_set"]["patients"] == 5


@pytest.mark.parametrize(
    ("more", "options", "sentence"),
    [
        ([("tb9.dcm", "done", "", "dicom", 70, VERSION)], [], "several input kinds (10 picture, 1 dicom)"),
        ([("tb9.png", "done", "", "png", 70, "other")], [], f"several model versions or of none ({VERSION}; other)"),
        ([], ["--target", "auc=1"], "expected sensitivity=0.9"),
        ([], ["--prevalence", "5"], "prevalence is 5; expected a fraction between 0 and 1"),
        ([], ["--input_kind", "dicom"], "no scored image of kind dicom"),
        ([], ["--resamples", "10"], "expected 100 or more"),
        ([], ["--model", __file__], "is not the model of these predictions"),
    ],
)
def test_one_sentence_for_what_can_be_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[Any], options: list[str], sentence: str
) -> None:
    assert main([*ten_images(tmp_path, *more), *options]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert not (tmp_path / "out" / "threshold.json").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda score: 50, "All 10 scores are 50"),
        (lambda score: score / 100, "No score_0_100 is above 1 (highest 0.9)"),
    ],
)
def test_scores_that_are_all_the_same_or_of_another_range_are_said(
    change: Callable[[float], float], message: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = ten_images(tmp_path)
    with (tmp_path / "predictions.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    write_csv(tmp_path / "predictions.csv", head, *([*row[:4], change(float(row[4])), row[5]] for row in rows))
    main(command)
    assert message in caplog.text


def test_one_class_is_not_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ten_images(tmp_path)
    rows = [(f"no{i}.png", "normal") for i in range(6)]
    write_csv(tmp_path / "clinic.csv", ("image", "label"), *rows)
    assert main(arguments) == 2
    assert "0 of 6 labeled images with a score have TB" in capsys.readouterr().err


def test_images_that_the_model_was_trained_on_are_found_out(
    phantoms: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    splits = load_datalist(phantoms, 1)
    network = nn.Linear(1, 1)
    network.architecture = {"num_classes": 1}  # type: ignore[assignment]
    model = tmp_path / "model.pt"
    write_checkpoint(network, model, {"settings": training_settings({}, splits, nn.Identity())})
    head = ("name", "status", "source_format", "score_0_100", "model_version")

    def calibrate(*parts: str) -> str:
        items = [item for part in parts for item in splits[part]]
        scores = np.random.default_rng(0).uniform(1, 99, len(items)).round(2)
        rows = [(item["name"], "done", "png", s, model_version(model)) for item, s in zip(items, scores)]
        path = write_csv(tmp_path / "predictions.csv", head, *rows)
        given = ["--predictions", path, "--labels", phantoms, "--output", tmp_path / "out", "--model", model]
        caplog.clear()
        assert main(["calibrate", "--resamples", "100", *map(str, given)]) == 0
        return caplog.text

    both = calibrate("train", "test")
    seen, images = len(splits["train"]), len(splits["train"]) + len(splits["test"])
    assert f"The model was trained on {seen} of these {images} images" in both
    assert f"{seen} of {images} images are of the data set's own train split" in both
    assert "The model was trained on none" not in both
    caplog.set_level("INFO")
    assert "The model was trained on none of these images." in calibrate("test")
    model.with_suffix(".json").unlink()
    assert "It cannot be told whether the model was trained on these images" in calibrate("test")


def test_the_example_of_the_manual_is_what_comes_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    example = (REPOSITORY / "docs" / "evaluation.md").read_text().split("<!-- example: begin -->")[1]
    code, command, printed = re.findall(r"```\w+\n(.*?)```", example.split("<!-- example: end -->")[0], re.S)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert main(command.split()[3:]) == 0
    assert capsys.readouterr().out == printed
