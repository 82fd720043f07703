"""DICOM results of an inference: the boxes of the table, on the pixels as they are stored, and none twice."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from PIL import Image

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.data import ImageTurn
from tests.bundle.inference_process import overrides
from tests.conftest import run_bundle
from tests.data.golden_dicom import write_image
from tests.dicom.dicom_images import COMPLETE

ORIENTATIONS = {"plain": ["L", "F"], "mirrored": ["R", "F"], "turned": ["F", "L"], "headless": ["L", "F"]}


@pytest.fixture(scope="module")
def images(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One phantom image, cut to 128 x 100, as DICOM laid out in several ways, and as a picture."""
    folder = tmp_path_factory.mktemp("dicom output") / "images"
    folder.mkdir()
    with Image.open(next((phantoms / "imgs" / "tb").iterdir())) as image:
        upright = np.asarray(image.convert("L"))[:, 14:114]
    turns = {"mirrored": ImageTurn(flip_columns=True), "turned": ImageTurn(transpose=True)}
    for name, orientation in ORIENTATIONS.items():
        stored = turns.get(name, ImageTurn()).as_stored(upright)
        study = {key: f"1.2.3.{len(name)}.{end}" for end, key in enumerate(("StudyInstanceUID", "SeriesInstanceUID"))}
        elements = {**COMPLETE, **study, "PatientOrientation": orientation}
        write_image(folder / f"{name}.dcm", stored, 8, headless=name == "headless", **elements)
    write_image(folder / "of no study.dcm", upright, 8, headless=True, StudyInstanceUID=None)
    write_image(folder / "refused.dcm", upright, 8, **{**COMPLETE, "ViewPosition": "LL"})
    Image.fromarray(upright).save(folder / "picture.png")
    return folder


def infer(trained: Path, images: Path, out: Path, **more: Any) -> dict[str, dict[str, str]]:
    run_bundle(["inference"], **{**overrides(images, out, trained / "models"), "num_workers": 0, **more})
    with (out / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def results_in(out: Path) -> dict[str, str]:
    """SOP instance UIDs by path."""
    found = sorted((out / "dicom").rglob("*")) if (out / "dicom").is_dir() else []
    return {
        path.relative_to(out / "dicom").as_posix(): str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)
        for path in found
        if path.is_file()
    }


def test_results_are_those_of_the_table(
    trained: Path, images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    before = {path.name: path.read_bytes() for path in images.iterdir()}
    out = tmp_path / "out"
    rows = infer(trained, images, out, dicom_output="sr, seg_map, seg_boxes, sc, gsps")
    assert {path.name: path.read_bytes() for path in images.iterdir()} == before
    assert rows["refused.dcm"]["status"] == "refused"
    assert {row["status"] for name, row in rows.items() if name != "refused.dcm"} == {"done"}
    kinds = {"sr.dcm", "seg_map.dcm", "seg_boxes.dcm", "sc.dcm", "gsps.dcm"}
    assert set(results_in(out)) == {
        f"{rows[f'{name}.dcm']['sop_instance_uid']}/{kind}" for name in ORIENTATIONS for kind in kinds
    }
    for name in ORIENTATIONS:
        row = rows[f"{name}.dcm"]
        assert "NO_DICOM_RESULT" not in row["warnings"]
        folder = out / "dicom" / row["sop_instance_uid"]
        whole, *groups = hd.sr.srread(str(folder / "sr.dcm")).content.get_image_measurement_groups()
        assert whole.get_measurements()[0].value == pytest.approx(float(row["score_0_100"]))
        boxes = json.loads(row["boxes"])
        assert len(groups) == len(boxes) > 0
        for group, (xmin, ymin, xmax, ymax, score) in zip(groups, boxes, strict=True):
            (number,) = group.get_measurements()
            assert number.value == pytest.approx(100 * score, abs=0.005)
            corners = np.asarray(number.referenced_coordinates[0].value)
            assert [*corners.min(axis=0), *corners.max(axis=0)] == pytest.approx([xmin, ymin, xmax, ymax])
        seg = hd.seg.segread(str(folder / "seg_map.dcm"))
        fractions = seg.get_pixels_by_source_instance([row["sop_instance_uid"]])[0, :, :, 0]
        assert fractions.shape == (int(row["height"]), int(row["width"]))
        # the best box is drawn around the map's largest value, on the stored pixels
        y, x = np.unravel_index(int(fractions.argmax()), fractions.shape)
        xmin, ymin, xmax, ymax, score = boxes[0]
        assert xmin - 1 <= x <= xmax
        assert ymin - 1 <= y <= ymax
        assert fractions.max() == pytest.approx(score, abs=0.05)
    # the same image however it is stored, so the same boxes once they are upright
    plain, mirrored = (json.loads(rows[f"{name}.dcm"]["boxes"]) for name in ("plain", "mirrored"))
    assert [box[1::2] for box in plain] == [box[1::2] for box in mirrored]
    assert plain != mirrored
    for name, why in (("picture.png", "a png file names no patient"), ("of no study.dcm", "lacks StudyInstanceUID")):
        assert "NO_DICOM_RESULT" in rows[name]["warnings"]
        assert why in rows[name]["detail"]
        assert rows[name]["score_0_100"] == rows["plain.dcm"]["score_0_100"]
    said = caplog.text + (out / "predictions.csv").read_text() + " ".join(results_in(out))
    for secret in ("Secret", "secret-id", "acc-7", "Referring^"):
        assert secret not in said


def test_going_on_with_a_run_makes_no_doubles(trained: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    rows = infer(trained, images, out, dicom_output=True)
    first = results_in(out)
    assert {path.split("/")[1] for path in first} == {"sr.dcm", "sc.dcm"}
    # as a kill leaves it: an image with its results and without its row, and one with neither
    table = out / "predictions.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:3]))
    assert "plain.dcm" not in table.read_text()
    half_done = out / "dicom" / rows["plain.dcm"]["sop_instance_uid"]
    for path in half_done.iterdir():
        path.unlink()
    (half_done / "sr.dcm.part").write_bytes(b"torn")
    rows = infer(trained, images, out, dicom_output=True, resume=True)
    assert len(rows) == 7
    assert results_in(out) == first
    untouched = {path: (out / "dicom" / path).stat().st_mtime_ns for path in first}
    infer(trained, images, out, dicom_output=True, resume=True)
    assert {path: (out / "dicom" / path).stat().st_mtime_ns for path in results_in(out)} == untouched
    # other results are another run
    with pytest.raises(Exception) as caught:
        infer(trained, images, out, dicom_output="sr", resume=True)
    assert "dicom_output" in str(plain_cause(caught.value))


def test_off_unless_asked_for(trained: Path, images: Path, tmp_path: Path) -> None:
    rows = infer(trained, images, tmp_path / "out")
    assert not (tmp_path / "out" / "dicom").exists()
    assert "NO_DICOM_RESULT" not in "".join(row["warnings"] for row in rows.values())


@pytest.mark.parametrize(
    ("given", "words"), [("pdf", "['pdf']"), (3, "3 is no choice")], ids=["unknown kind", "a number"]
)
def test_an_unknown_kind_is_refused_in_one_sentence(
    trained: Path, images: Path, tmp_path: Path, given: object, words: str
) -> None:
    with pytest.raises(Exception) as caught:
        infer(trained, images, tmp_path / "out", dicom_output=given)
    assert words in str(plain_cause(caught.value))
