"""A model from Python says what inference.yaml says, since it is inference.yaml."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

import monai_tbkd
from monai_tbkd.bundle import locations
from monai_tbkd.inference import LocalizationModel
from monai_tbkd.metrics.calibrated_threshold import BEFORE_USE
from monai_tbkd.results.prediction_table import read_predictions
from tests.conftest import REPOSITORY

# boxes on every image, since the little model's scores are nearly the same
SETTINGS = {
    "score_threshold": 0.0,
    "map_threshold": 0.5,
    "threshold_mode": "relative",
    "check_frontal": "off",
    "grid": 64,
}


@pytest.fixture
def model(trained: Path) -> LocalizationModel:
    return monai_tbkd.load_model(trained / "models", device="cpu", **SETTINGS)


@pytest.fixture
def image(phantoms: Path) -> Path:
    return min((phantoms / "imgs" / "tb").iterdir())


def test_it_says_what_the_config_says(
    model: LocalizationModel, trained: Path, phantoms: Path, small_run: Callable, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    shutil.copytree(phantoms / "imgs" / "tb", images)
    (images / "cut.png").write_bytes(min(images.iterdir()).read_bytes()[:3000])
    # the recipe is given here, and from Python it is the model's record that knows
    small_run(["inference"], dataset_dir=str(images), ckpt_dir=str(trained / "models"), **SETTINGS)
    rows = read_predictions(tmp_path / "out")["images"]
    findings = model.locate([row["path"] for row in rows])
    for row, finding in zip(rows, findings, strict=True):
        assert {**finding.row, "seconds": 0} == {**row, "seconds": 0}
        assert (finding.reason is None) == (finding.score is not None) == (row["reason"] is None)
    assert sum(len(finding.boxes) for finding in findings) > 0
    assert next(f.reason for f in findings if f.row["name"] == "cut.png").startswith("CORRUPT")


def test_arrays_are_images(model: LocalizationModel, image: Path) -> None:
    pixels = np.asarray(Image.open(image).convert("L"))
    expected = model.locate(image)
    many = model.locate([pixels, torch.from_numpy(pixels.copy())[None], MetaTensor(pixels.copy()), pixels[:, ::-1]])
    for finding in many[:3]:
        assert finding.score == expected.score
        np.testing.assert_array_equal(finding.boxes, expected.boxes)
    assert many[3].score != expected.score
    assert model.locate(pixels[:64, :64]).reason.startswith("TOO_SMALL")
    for wrong in (3, pixels[None, None], np.stack([pixels] * 3)):
        with pytest.raises(TypeError):
            model.locate(wrong)
    with pytest.raises(ValueError, match="one value"):
        model.locate(np.zeros((200, 200)))


def test_map_and_boxes_lie_on_the_pixels_as_they_are_stored(
    model: LocalizationModel, image: Path, tmp_path: Path
) -> None:
    upright = Image.open(image).convert("L").resize((160, 128))
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right to see it upright
    stored.save(tmp_path / "turned.png", exif=exif)
    straight, turned = model.locate([np.asarray(upright), tmp_path / "turned.png"])
    assert turned.score == straight.score
    assert straight.map.shape == (128, 160)
    np.testing.assert_array_equal(turned.map, np.rot90(straight.map))
    xmin, ymin, xmax, ymax = straight.boxes[0]
    np.testing.assert_allclose(turned.boxes[0], [ymin, 160 - xmax, ymax, 160 - xmin], atol=0.01)
    assert turned.overlay(200).size[0] == 2 * 200


def test_the_network_is_an_ordinary_module(model: LocalizationModel) -> None:
    assert isinstance(model.network, torch.nn.Module)
    assert not model.network.training
    assert model.network(torch.zeros(1, 3, 64, 64)).shape[:2] == (1, 1)


def test_a_setting_that_there_is_not(trained: Path) -> None:
    with pytest.raises(ValueError, match="did you mean score_threshold"):
        monai_tbkd.load_model(trained / "models", score_treshold=0.3)


def test_a_record_cannot_have_code_run(trained: Path, tmp_path: Path) -> None:
    models = shutil.copytree(trained / "models", tmp_path / "models")
    record = json.loads((models / "model.json").read_text())
    record["architecture"]["backbone"] = "$__import__('pathlib').Path('run').touch()"
    (models / "model.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="backbone"):
        monai_tbkd.load_model(models)


def test_the_released_model(trained: Path, tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locations, "released_folder", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match="make release-model"):
        monai_tbkd.load_model()
    assert locations.models_folder(tmp_path / "bundle") == str(tmp_path / "bundle" / "models")
    shutil.copytree(trained / "models", tmp_path, dirs_exist_ok=True)
    record = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**record, "name": "little"}))
    assert locations.models_folder(tmp_path / "bundle") == str(tmp_path)
    assert f"little {record['sha256'][:12]}" in monai_tbkd.load_model().version
    # a model that was trained in the bundle comes first
    (tmp_path / "bundle" / "models").mkdir(parents=True)
    (tmp_path / "bundle" / "models" / "model.pt").touch()
    assert locations.models_folder(tmp_path / "bundle") == str(tmp_path / "bundle" / "models")


def test_the_page_on_it_says_what_a_site_does_first() -> None:
    page = (REPOSITORY / "docs" / "quickstart.md").read_text(encoding="utf-8")
    said = page.partition("<!-- before use: begin -->")[2].partition("<!-- before use: end -->")[0]
    assert " ".join(said.split()) == BEFORE_USE
