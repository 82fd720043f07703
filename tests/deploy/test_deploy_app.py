"""The MONAI Deploy application as a process: what was sent, and what became of each image."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import yaml
from monai.data import MetaTensor
from pydicom.uid import generate_uid

from monai_tbkd.data.readers.reason_codes import ImageError
from tests.bundle.inference_process import overrides
from tests.conftest import REPOSITORY, SMALL_RECIPE, run_bundle
from tests.dicom.dicom_images import odd_image

DEPLOY = REPOSITORY / "deploy"
VENV = "TBKD_DEPLOY_VENV"


@pytest.fixture(scope="session")
def sdk_python() -> Path:
    """An interpreter that has the SDK."""
    named = os.environ.get(VENV)
    if not named:
        if importlib.util.find_spec("monai.deploy") is None:
            pytest.skip(f"the MONAI Deploy App SDK cannot be imported; {VENV}=FOLDER names, or makes, where it can")
        return Path(sys.executable)
    folder = Path(named).resolve()
    python = folder / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", DEPLOY / "requirements.txt"], check=True)
    return python


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Images by name: a series with PA and lateral, a second study, and images that cannot be scored."""
    folder = tmp_path_factory.mktemp("deploy") / "images"
    first, second = ({"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()} for _ in range(2))
    images: dict[str, dict[str, Any]] = {
        "one/pa.dcm": {**first, "SeriesDescription": "Secret^Patient PA and lateral"},
        "one/lateral.dcm": {**first, "ViewPosition": "LL"},
        "two/pa.dcm": {**second, "Modality": "DX", "SOPClassUID": pydicom.uid.DigitalXRayImageStorageForPresentation},
        "two/foot.dcm": {**second, "SeriesInstanceUID": generate_uid(), "BodyPartExamined": "FOOT"},
        "two/no modality.dcm": {**second, "SeriesInstanceUID": generate_uid(), "Modality": None},
    }
    for number, (name, elements) in enumerate(images.items()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        odd_image(folder / name, 97 + number, 80, **elements)
    damaged = (folder / "one" / "pa.dcm").read_bytes()
    (folder / "one" / "damaged.dcm").write_bytes(damaged[: len(damaged) // 2])
    (folder / "header.dcm").write_bytes(damaged[:300])
    return {"folder": folder, "images": images}


@pytest.fixture(scope="module")
def model(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with its recipe beside it."""
    folder = Path(shutil.copytree(trained / "models", tmp_path_factory.mktemp("deploy") / "model"))
    turned = overrides(Path(), Path(), Path())
    kept = {k: v for k, v in turned.items() if k not in ("dataset_dir", "output_dir", "ckpt_dir", "num_workers")}
    recipe = yaml.safe_load(SMALL_RECIPE.read_text())
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**recipe, **kept}))
    return folder


def run_app(python: Path, images: Path, out: Path, model: Path) -> subprocess.CompletedProcess[str]:
    out.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HOLOSCAN"))}
    environment = {**kept, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "HOME": str(out.parent)}
    command = [python, DEPLOY, "-i", images, "-o", out, "-m", model]
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300, env=environment,
                          cwd=out.parent)  # fmt: skip


def test_every_image_has_its_result(sdk_python: Path, sent: dict[str, Any], model: Path, tmp_path: Path) -> None:
    folder, out = sent["folder"], tmp_path / "out"
    before = {path: path.read_bytes() for path in folder.rglob("*.dcm")}
    done = run_app(sdk_python, folder, out, model)
    text = done.stdout + done.stderr
    assert done.returncode == 3, text[-4000:]  # two files are damaged
    with (out / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert {name: row["reason"] for name, row in rows.items()} == {
        "one/pa.dcm": "", "two/pa.dcm": "", "one/lateral.dcm": "NOT_FRONTAL", "two/foot.dcm": "NOT_CHEST",
        "two/no modality.dcm": "NOT_SELECTED", "one/damaged.dcm": "CORRUPT", "header.dcm": "CORRUPT",
    }  # fmt: skip
    assert len(list((out / "image_reports").glob("*.html"))) == len(rows)

    # DICOM results of the two that were scored, each in the study of its image
    studies = {}
    for path in (out / "dicom").rglob("*.dcm"):
        result = pydicom.dcmread(path)
        assert str(result.PatientName) == "Secret^Patient"
        studies[path.parent.name, path.stem] = result.StudyInstanceUID
    assert studies == {
        (rows[name]["sop_instance_uid"], kind): sent["images"][name]["StudyInstanceUID"]
        for name in ("one/pa.dcm", "two/pa.dcm")
        for kind in ("sr", "sc")
    }

    # no patient anywhere else, and what was sent is as it was
    assert "Secret" not in text
    for path in (*out.glob("*.*"), *out.glob("image_reports/*.html")):
        assert "Secret" not in path.read_text(encoding="utf-8"), path
    assert {path: path.read_bytes() for path in folder.rglob("*.dcm")} == before

    # the scores and boxes are those of the bundle's own inference
    own = tmp_path / "own"
    run_bundle(["inference"], **{**overrides(folder, own, model), "num_workers": 0})
    for row in json.loads((own / "predictions.json").read_text())["images"]:
        if rows[row["name"]]["reason"] == "":
            assert float(rows[row["name"]]["score_0_100"]) == pytest.approx(row["score_0_100"], abs=0.02)
            assert np.allclose(json.loads(rows[row["name"]]["boxes"]), row["boxes"], atol=0.02)


def test_a_folder_without_a_model_is_one_sentence(
    sdk_python: Path, sent: dict[str, Any], model: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "model"
    empty.mkdir()
    shutil.copy(model / "recipe.yaml", empty)
    done = run_app(sdk_python, sent["folder"], tmp_path / "out", empty)
    assert done.returncode == 1
    assert re.search(r"^error: .*model\.pt", done.stderr, re.MULTILINE), done.stderr[-3000:]
    assert not (tmp_path / "out" / "predictions.csv").exists()


def test_an_image_that_was_not_selected_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(DEPLOY))
    from series_selection import CheckSelected

    (tmp_path / "link.dcm").symlink_to(tmp_path / "a.dcm")
    check = CheckSelected([str(tmp_path / "a.dcm")])
    image = {f"{name}.dcm": {"image": MetaTensor([0.0], meta={"filename_or_obj": str(tmp_path / f"{name}.dcm")})}
            for name in ("a", "b", "link")}  # fmt: skip
    assert check(image["a.dcm"]) is image["a.dcm"]
    assert check(image["link.dcm"]) is image["link.dcm"]
    with pytest.raises(ImageError, match="NOT_SELECTED"):
        check(image["b.dcm"])


def test_versions_are_those_of_the_package_but_for_what_the_sdk_holds_back() -> None:
    def pins(path: Path) -> dict[str, str]:
        lines = (line.split("==") for line in path.read_text().splitlines() if "==" in line and line[0] != "#")
        return {name.lower().replace("_", "-"): version for name, version in lines}

    ours, theirs = pins(REPOSITORY / "constraints.txt"), pins(DEPLOY / "requirements.txt")
    other = {name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]}
    assert other == {"packaging", "protobuf", "ml-dtypes"}
    extra = (REPOSITORY / "setup.cfg").read_text().partition("\ndeploy =\n")[2].partition("\n#")[0]
    for name, version in re.findall(r"^    ([\w-]+) == (\S+)$", extra, re.MULTILINE):
        assert theirs[name] == version
    needed = (REPOSITORY / "setup.cfg").read_text().partition("install_requires =\n")[2].partition("\n\n")[0]
    assert {re.match(r"[\w-]+", line.strip()).group().lower() for line in needed.splitlines()} <= theirs.keys()
