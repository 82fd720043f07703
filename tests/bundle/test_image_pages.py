"""The pages that an inference makes: for every image, of the whole image, and without patient data."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.bundle.inference_process import overrides
from tests.conftest import run_bundle
from tests.data.golden_dicom import write_image
from tests.report.parsed_page import Page


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DICOM image stored mirrored, a lateral, a damaged file, and a picture with a bright frame."""
    folder = tmp_path_factory.mktemp("pages") / "images"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 1000, (96, 64), dtype=np.uint16)
    noise[:48, :32] += 3000  # upper left as it is stored, upper right when it is upright
    write_image(folder / "mirrored.dcm", noise, 12, PatientOrientation=["R", "F"])
    write_image(folder / "lateral.dcm", noise, 12, ViewPosition="LL")
    (folder / "x damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    picture = np.random.default_rng(1).integers(0, 60, (80, 80), dtype=np.uint8)
    picture[:8] = picture[-8:] = 250
    Image.fromarray(picture).save(folder / "framed.png")
    return folder


def run(images: Path, out: Path, models: Path, **more: Any) -> dict[str, Any]:
    given = {**overrides(images, out, models), "num_workers": 0, "batch_size": 4, **more}
    run_bundle(["inference"], **given)
    return json.loads((out / "predictions.json").read_text())


def image_of(page: str) -> np.ndarray:
    (found,) = set(re.findall(r"data:image/jpeg;base64,([^\"]+)", page))
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found))).convert("L"))


def test_every_image_has_a_page_without_patient_data(images: Path, trained: Path, tmp_path: Path) -> None:
    content = run(images, tmp_path / "out", trained / "models")
    rows = {row["name"]: row for row in content["images"]}
    assert {name: row["reason"] for name, row in rows.items()} == {
        "mirrored.dcm": None, "lateral.dcm": "NOT_FRONTAL", "x damaged.png": "CORRUPT", "framed.png": None,
    }  # fmt: skip
    pages = {name: (tmp_path / "out" / "image_reports" / f"{name}.html").read_text() for name in rows}
    overview = (tmp_path / "out" / "predictions.html").read_text()
    for text in (*pages.values(), overview):
        assert "Secret" not in text
        assert "secret-id" not in text
        assert "Research use only, not for diagnosis; trained on phantom images, knows no real image." in text
    listed = {cells[1] for cells in Page(overview).rows if len(cells) == 6}
    assert listed == {"image", *rows}
    image = image_of(pages["mirrored.dcm"])
    assert image[:300, 250:].mean() > image[:300, :150].mean() + 100  # upright
    assert image.shape == (640, 427)
    assert image_of(pages["lateral.dcm"]).shape == (640, 427)
    assert "The image cannot be shown." in pages["x damaged.png"]
    # boxes of the page are those of the row, on the upright image
    boxes = [[64 - b[2], b[1], 64 - b[0], b[3]] for b in rows["mirrored.dcm"]["boxes"]]
    rects = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', pages["mirrored.dcm"])
    assert len(rects) == 2 * len(boxes) > 0
    drawn = [[float(x), float(y), float(x) + float(w), float(y) + float(h)] for x, y, w, h in rects[: len(boxes)]]
    assert np.abs(np.array(drawn) - boxes).max() < 0.2


def test_pictures_show_the_whole_image_though_the_network_sees_a_cut(
    images: Path, trained: Path, tmp_path: Path
) -> None:
    models = Path(shutil.copytree(trained / "models", tmp_path / "models"))
    record = json.loads((models / "model.json").read_text())
    del record["settings"]["lung_crop"], record["settings"]["whole_image_size"]  # the model was trained on whole images
    (models / "model.json").write_text(json.dumps(record))
    run(images, tmp_path / "out", models, lung_crop=True)
    image = image_of((tmp_path / "out" / "image_reports" / "framed.png.html").read_text())
    assert image[:56].mean() > 200 > 100 > image[100:-100].mean()
    assert image[-56:].mean() > 200
    overlay = np.asarray(Image.open(tmp_path / "out" / "overlays" / "framed.png").convert("L"))
    top = overlay[44 : 44 + 32, : overlay.shape[1] // 2]
    assert top.mean() > 200


def test_they_can_be_left_out(images: Path, trained: Path, tmp_path: Path) -> None:
    run(images, tmp_path / "out", trained / "models", draw_reports=False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"overlays", "predictions.csv", "predictions.json"}
    run(images, tmp_path / "none", trained / "models", draw_reports=False, draw_overlays=False)
    assert {path.name for path in (tmp_path / "none").iterdir()} == {"predictions.csv", "predictions.json"}
    # a run that is gone on with makes the page of all images again, also when nothing is left but what has failed
    run(images, tmp_path / "out", trained / "models", draw_reports=True, resume=True)
    page = Page((tmp_path / "out" / "predictions.html").read_text())
    assert sum(len(cells) == 6 for cells in page.rows) == 1 + 4
