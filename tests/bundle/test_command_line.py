"""Values of ``python -m monai.bundle run``, from the shell to the results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bundle.inference_process import environment, inference_command, rows_of
from tests.conftest import REPOSITORY
from tests.processes import run_python

pytestmark = pytest.mark.system


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_image(folder: Path, name: str) -> None:
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8)).save(folder / f"{name}.png")


def test_folders_are_those_that_were_typed(trained: Path, tmp_path: Path) -> None:
    for folder, name in (("images", "other"), ("images#2", "mine"), ("20261130", "dated"), ("run", "earlier_result")):
        write_image(tmp_path / folder, name)
    for images, out in (("images#2", "run#2"), ("20261130", "1e3")):
        command = inference_command(
            Path(images), Path(out), trained / "models", draw_overlays="false", draw_reports="no"
        )
        done = run_python(command, tmp_path, environment(tmp_path))
        assert done.status == 0, done.text
        assert [row["path"] for row in rows_of(tmp_path / out)] == [str(next((tmp_path / images).iterdir()))]
        assert names(tmp_path / out) == ["predictions.csv", "predictions.json"]
    assert names(tmp_path) == sorted(["images", "images#2", "20261130", "run", "run#2", "1e3"])
    assert names(tmp_path / "run") == ["earlier_result.png"]


@pytest.mark.parametrize("config", ["inference", "train", "evaluate"])
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--device", "cuda:0"], "device is 'cuda:0', which is not there"),
        (["--batch_size", "0"], "batch_size is 0; expected a whole number, 1 or more"),
        (["--outputdir", "x"], "--outputdir: there is no setting of this name; did you mean output_dir?"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_read_or_written(
    config: str, flags: list[str], said: str, tmp_path: Path
) -> None:
    write_image(tmp_path / "images", "a")
    files = ["train", "evaluate"] if config == "evaluate" else [config]
    given = str([str(REPOSITORY / "bundle" / "configs" / f"{name}.yaml") for name in files])
    command = ["-m", "monai.bundle", "run", "--config_file", given, "--dataset_dir", "images", *flags]
    done = run_python([*command, "--output_dir", "out", "--ckpt_dir", "models"], tmp_path, environment(tmp_path))
    assert done.status == 1
    assert "Traceback" not in done.text
    assert f"error: {said}" in done.text
    assert names(tmp_path) == ["images"]
