"""An inference that is killed, and gone on with until every image is done exactly once."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from monai_tbkd.bundle.plain_errors import plain_cause
from tests.bundle.inference_process import overrides, rows_of, run_inference, start_inference
from tests.conftest import run_bundle
from tests.data.images_by_hand import noise_png

pytestmark = pytest.mark.system

IMAGES = 24
"""So many that a kill after the seventh row comes in time."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gray noise under names that sort otherwise by digits than by letters, and one damaged image."""
    folder = tmp_path_factory.mktemp("resume") / "images"
    for number in range(1, IMAGES):
        noise_png(folder / f"image {number}.png", side=64, seed=number)
    (folder / "image 9 cut.png").write_bytes((folder / "image 9.png").read_bytes()[:500])
    return folder


def rows_so_far(out: Path) -> int:
    path = out / "predictions.csv"
    return max(path.read_bytes().count(b"\n") - 1, 0) if path.is_file() else 0


def kill_after(rows: int, images: Path, out: Path, models: Path) -> None:
    """Start or go on, and kill the process and its workers as soon as there are so many rows."""
    program = start_inference(images, out, models, resume="true", num_workers=1)
    end = time.monotonic() + 60
    while rows_so_far(out) < rows and program.running() and time.monotonic() < end:
        time.sleep(0.01)
    assert program.kill() == -signal.SIGKILL, "it came to its end before it could be killed"
    assert rows <= rows_so_far(out) < IMAGES


def test_killed_again_and_again_every_image_is_done_once(trained: Path, images: Path, tmp_path: Path) -> None:
    models, out = trained / "models", tmp_path / "out"
    unbroken = run_inference(images, tmp_path / "unbroken", models, num_workers=1)
    assert unbroken.status == 3
    for rows in (3, 7):
        kill_after(rows, images, out, models)
    with (out / "predictions.csv").open(newline="", encoding="utf-8") as file:
        done = sum(row["status"] == "done" for row in csv.DictReader(file))  # the damaged one is tried again
    overlays = {path.name: path.stat().st_mtime_ns for path in (out / "overlays").iterdir()}
    finished = run_inference(images, out, models, resume="true", num_workers=1)
    assert finished.status == 3, finished.text[-2000:]
    assert "Traceback" not in finished.text
    assert f"{done} of {IMAGES} images are done, {IMAGES - done} are left." in finished.text
    expected, found = rows_of(tmp_path / "unbroken"), rows_of(out)
    # image 9 before image 10, and the damaged one among them
    assert [row["name"] for row in found][8:11] == ["image 9 cut.png", "image 9.png", "image 10.png"]
    assert [{**row, "seconds": ""} for row in found] == [{**row, "seconds": ""} for row in expected]
    assert len({row["boxes"] for row in found}) > IMAGES / 2
    as_json = [json.loads((folder / "predictions.json").read_text()) for folder in (out, tmp_path / "unbroken")]
    for content in as_json:
        for image in content["images"]:
            del image["seconds"]
    assert as_json[0] == as_json[1]
    after = {path.name: path.stat().st_mtime_ns for path in (out / "overlays").iterdir()}
    assert set(after) == {row["name"] for row in found if row["status"] == "done"}
    kept = [name for name in overlays if after[name] == overlays[name]]
    assert len(kept) >= len(overlays) - 1  # none but that of the image in work was drawn again

    pages = {path.name for path in (out / "image_reports").glob("*.html")}
    assert pages == {f"{row['name']}.html" for row in found}
    assert f"{IMAGES} images." in (out / "predictions.html").read_text(encoding="utf-8")

    # Another threshold is another run.
    before = (out / "predictions.csv").read_bytes()
    with pytest.raises(Exception) as caught:
        run_bundle(["inference"], **{**overrides(images, out, models), "resume": True, "map_threshold": 0.3})
    sentence = str(plain_cause(caught.value))
    assert "\n" not in sentence
    for words in ("'map_threshold': 0.5", "'map_threshold': 0.3", "another output_dir"):
        assert words in sentence
    assert (out / "predictions.csv").read_bytes() == before


def test_a_clean_folder_ends_with_0_also_when_nothing_is_left(trained: Path, images: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in (1, 2):
        shutil.copy(images / f"image {number}.png", tmp_path / "images")
    out = tmp_path / "out"
    first = run_inference(tmp_path / "images", out, trained / "models", num_workers=0)
    assert first.status == 0, first.text[-2000:]
    assert [row["status"] for row in rows_of(out)] == ["done", "done"]
    before = (out / "predictions.csv").read_bytes()
    again = run_inference(tmp_path / "images", out, trained / "models", num_workers=0, resume="true")
    assert again.status == 0, again.text[-2000:]
    assert "2 of 2 images are done, 0 are left." in again.text
    assert (out / "predictions.csv").read_bytes() == before  # down to the seconds

    # An unknown way of saving overlays takes nothing away, and another one does not mix with those that are there.
    for wrong, resume, words in (
        ("jpeg", False, "expected one of png, jpg"),
        ("jpg", True, "overlay_format: None there, 'jpg' now"),
    ):
        given = overrides(tmp_path / "images", out, trained / "models", resume=resume, overlay_format=wrong)
        with pytest.raises(Exception) as caught:
            run_bundle(["inference"], **given)
        assert words in str(plain_cause(caught.value))
    assert (out / "predictions.csv").read_bytes() == before
    assert {path.name for path in (out / "overlays").iterdir()} == {"image 1.png", "image 2.png"}
