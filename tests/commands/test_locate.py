"""``locate`` as a person meets it: lines, statuses, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monai_tbkd.__main__ import main
from monai_tbkd.bundle import locations
from monai_tbkd.results.prediction_table import read_predictions
from tests.conftest import REPOSITORY

QUICK = [
    "--set",
    "check_frontal=off",
    "score_threshold=0",
    "map_threshold=0.5",
    "threshold_mode=relative",
    "num_workers=0",
]
ODD = r"inner/a\x1b[31mred.png"


@pytest.fixture
def images(phantoms: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "inner").mkdir(parents=True)
    for number, source in enumerate(sorted((phantoms / "imgs" / "tb").iterdir())[:3]):
        shutil.copy(source, folder / f"{number}.png")
    shutil.copy(folder / "0.png", folder / "inner" / "a\x1b[31mred.png")
    (folder / "half.png").write_bytes((folder / "1.png").read_bytes()[:3000])
    (folder / "notes.txt").write_text("no image")
    return folder


def test_a_line_an_image_and_the_files_of_the_config(
    trained: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    status = main(["locate", str(images), "--ckpt_dir", str(trained / "models"), "--output", str(out), *QUICK])
    said = capsys.readouterr()
    assert status == 3  # one could not be read
    assert said.err == ""  # no terminal, no notice; no word of MONAI
    lines, rows = said.out.splitlines(), read_predictions(out)["images"]
    assert [line.partition(":")[0] for line in lines] == ["0.png", "1.png", "2.png", "half.png", ODD]
    assert lines[3].startswith("half.png: failed, CORRUPT: ")
    for line, row in zip(lines, rows, strict=True):
        if row["score_0_100"] is not None:
            assert f": {row['score_0_100']:.1f}, TB suggestive (threshold 0), box " in line
            assert line.count("box ") == row["n_boxes"]
    assert (out / "predictions.html").is_file()
    assert len(list((out / "overlays").iterdir())) == 4


def test_a_file_that_is_still_being_written_has_a_reason_and_its_score_when_it_is_whole(
    trained: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "begun.png").touch()
    whole, growing = (images / "2.png").read_bytes(), images / "0.png"
    growing.write_bytes(whole[:-4])  # the end mark's last bytes
    command = ["locate", str(images), "--ckpt_dir", str(trained / "models"), "--output", str(tmp_path / "out"), *QUICK]
    assert main(command) == 3
    first = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert first["0.png"].startswith("failed, CORRUPT: the picture is cut short")
    assert first["begun.png"].startswith("failed, CORRUPT: the file is empty")
    growing.write_bytes(whole)
    for name in ("half.png", "begun.png"):
        (images / name).write_bytes(whole)
    assert main([*command, "resume=true"]) == 0
    second = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert second["0.png"] == second["begun.png"] == second["half.png"] == first["2.png"]
    assert {row["status"] for row in read_predictions(tmp_path / "out")["images"]} == {"done"}


def test_several_sources_and_no_file_left(
    trained: Path, images: Path, phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locations, "released_folder", lambda: trained / "models")
    before = sorted(tmp_path.rglob("*"))
    assert main(["locate", str(images / "inner"), "images/2.png", str(images / "2.png"), *QUICK]) == 0
    names = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [ODD, "2.png"]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["images/inner/none"], "there is no such folder or file"),
        (["empty"], "no image in this folder"),
        (["images", "--set", "score_treshold=0.3"], "did you mean score_threshold"),
        (["images", "--ckpt_dir", "empty"], "There is no model"),
        (["images"], "make release-model"),
    ],
)
def test_what_has_to_be_mended_is_one_sentence(
    words: list[str], said: str, images: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locations, "released_folder", lambda: tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    models = [] if words == ["images"] or "--ckpt_dir" in words else ["--ckpt_dir", str(trained / "models")]
    assert main(["locate", *words, *models]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert said in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.system
def test_a_pipe_that_nobody_reads_and_a_home_that_is_not_there(trained: Path, images: Path, tmp_path: Path) -> None:
    (images / "half.png").unlink()
    command = [sys.executable, "-m", "monai_tbkd", "locate", str(images), "--ckpt_dir", str(trained / "models"), *QUICK]
    line = f"{' '.join(map(repr, command))} | head -n 1; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "HOME": "/dev/null/home", "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    environment.pop("MPLCONFIGDIR", None)
    done = subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=600
    )
    assert done.stderr == ""
    assert done.stdout.startswith("0.png: ")
    assert done.stdout.count("\n") == 1
    assert done.returncode == 141


@pytest.mark.system
def test_a_quick_start_leaves_out_what_is_not_needed_and_nothing_that_is() -> None:
    script = (
        "import sys; from monai_tbkd.commands.quick_start import import_monai_quickly as quick; quick();"
        "assert 'monai.apps.pathology' not in sys.modules and 'sympy' not in sys.modules, 'slow';"
        "import monai, monai.losses, matplotlib.pyplot, nibabel;"
        "from torch.distributed.optim import ZeroRedundancyOptimizer as real;"
        "assert real.__module__.startswith('torch');"
        "from monai.transforms import LoadImage; from monai.apps.pathology.losses import HoVerNetLoss"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPOSITORY, timeout=600)
    assert done.returncode == 0, done.stderr
