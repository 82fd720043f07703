"""Images through an app folder: as inference would have them, with options, and with weights that change."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_tbkd.__main__ import main
from monai_tbkd.data.readers.decode import whole_image_size
from monai_tbkd.label.app_folder import AppFolder, read_app_folder, write_app_folder
from monai_tbkd.label.image_pipeline import ImagePipeline, shown_value
from monai_tbkd.label.label_map import mask_to_boxes
from tests.conftest import REPOSITORY, SMALL_RECIPE, run_bundle

OVERRIDES = {"check_frontal": "off"}
SEEN = {"score_threshold": 0.0, "map_threshold": 0.5, "threshold_mode": "relative"}


@pytest.fixture
def app(trained: Path, tmp_path: Path) -> AppFolder:
    return write_app_folder(tmp_path / "app", REPOSITORY / "bundle", trained / "models", [SMALL_RECIPE], OVERRIDES)


@pytest.fixture
def image(phantoms: Path) -> Path:
    return sorted((phantoms / "imgs" / "tb").glob("*.png"))[0]


def test_the_same_as_a_run_of_the_bundle(app: AppFolder, phantoms: Path, trained: Path, tmp_path: Path) -> None:
    import json

    images = tmp_path / "images"
    images.mkdir()
    for path in sorted((phantoms / "imgs" / "tb").glob("*.png"))[:3]:
        shutil.copy(path, images)
    where = {"dataset_dir": str(images), "ckpt_dir": str(trained / "models"), "output_dir": str(tmp_path / "out")}
    run_bundle(["inference"], **where, **SEEN, check_frontal="off", draw_overlays=False)
    rows = json.loads((tmp_path / "out" / "predictions.json").read_text())["images"]
    pipeline = ImagePipeline(app)
    for row in rows:
        finding = pipeline(row["path"], SEEN)
        assert round(100 * finding.score, 2) == row["score_0_100"]
        assert [[round(v, 2) for v in box[:4]] for box in finding.boxes] == [box[:4] for box in row["boxes"]]
        assert finding.boxes


def test_boxes_are_drawn_around_the_mask(app: AppFolder, image: Path) -> None:
    finding = ImagePipeline(app)(image, {**SEEN, "smallest_area": 0.0})
    mask = finding.mask()
    assert mask.shape == whole_image_size(image)
    around = mask_to_boxes(mask.astype(bool))
    assert finding.boxes
    for box in finding.boxes:
        assert min(np.abs(np.array(box[:4]) - each).max() for each in around) <= 1  # rounding to whole image pixels


def test_options(app: AppFolder, image: Path) -> None:
    pipeline = ImagePipeline(app)
    assert not pipeline(image, {"score_threshold": 1.0}).boxes
    many = pipeline(image, {**SEEN, "smallest_area": 0.0})
    assert len(pipeline(image, {**SEEN, "smallest_area": 0.9}).boxes) < len(many.boxes)
    assert len(pipeline(image, SEEN).boxes) <= len(many.boxes)  # what one request turned is turned back
    shown = {key: shown_value(value) for key, value in pipeline.defaults.items()}
    assert pipeline(image, shown).thresholds == pipeline(image).thresholds


def test_a_refused_image_has_a_reason_and_no_number(app: AppFolder, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    answer = ImagePipeline(app)(tmp_path / "text.png").as_json()
    assert (answer["status"], answer["reason"]) == ("failed", "NOT_AN_IMAGE")
    assert not {"image_score", "boxes", "decision"} & set(answer)


class TestReload:
    def test_new_weights_are_served(self, app: AppFolder, image: Path) -> None:
        pipeline = ImagePipeline(app)
        before = pipeline(image)
        state = torch.load(app.student, weights_only=True)
        other = {key: value + 0.01 if value.is_floating_point() else value for key, value in state.items()}
        torch.save(other, app.models / "part.pt")
        os.replace(app.models / "part.pt", app.student)
        after = pipeline(image)
        assert after.row["model_version"] != before.row["model_version"]
        assert after.score != before.score
        assert after.thresholds["id"] == "default"  # the old thresholds are another model's

    def test_weights_that_cannot_be_used_leave_the_old_ones(self, app: AppFolder, image: Path) -> None:
        pipeline = ImagePipeline(app)
        before = pipeline(image)
        app.student.write_bytes(app.student.read_bytes()[:1000])
        for _ in range(2):
            after = pipeline(image)
            assert (after.score, after.row) == (before.score, before.row)
        torch.save({"other": torch.zeros(1)}, app.student)
        assert pipeline(image).score == before.score

    def test_no_weights_no_pipeline(self, app: AppFolder) -> None:
        app.student.unlink()
        with pytest.raises(FileNotFoundError, match="no weights"):
            ImagePipeline(app)


class TestAppFolder:
    def test_command_writes_what_can_be_read(self, trained: Path, tmp_path: Path) -> None:
        argv = ["label_app", str(tmp_path / "app"), "--ckpt_dir", str(trained / "models"), "--recipe", "demo"]
        assert main([*argv, "--set", "image_size=64", "min_age=0"]) == 0
        app = read_app_folder(tmp_path / "app")
        assert (app.recipes, dict(app.overrides)) == (("demo.yaml",), {"image_size": 64, "min_age": 0})
        parser = app.parser("inference")
        found = [parser[key] for key in ("image_size", "network_def::backbone", "lung_crop", "min_age")]
        assert found == [64, "resnet18", False, 0]
        assert (app.root / "main.py").is_file()
        assert app.teacher.is_file()
        assert main(argv) == 2  # never over one that is there

    def test_the_original_weights_are_not_touched(self, app: AppFolder, trained: Path) -> None:
        app.student.write_bytes(b"")
        assert (trained / "models" / "model.pt").stat().st_size > 0

    @pytest.mark.parametrize(
        "more",
        [
            ["--ckpt_dir", "nowhere"],
            ["--bundle", "nowhere"],
            ["--recipe", "nowhere.yaml"],
            ["--set", "x"],
            ["--set", "backend=openvino"],
        ],
    )
    def test_what_is_missing_is_named(
        self, more: list[str], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        argv = ["label_app", str(tmp_path / "app"), "--ckpt_dir", str(trained / "models"), *more]
        assert main(argv) == 2
        assert more[1].removesuffix(".yaml").partition("=")[0] in capsys.readouterr().err
        assert not (tmp_path / "app").exists()

    def test_a_folder_of_something_else(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="label_app"):
            read_app_folder(tmp_path)
