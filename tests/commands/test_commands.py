from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from PIL import Image

from monai_tbkd import __version__
from monai_tbkd.__main__ import main
from monai_tbkd.backends import write_network
from monai_tbkd.commands import arguments, demo
from monai_tbkd.data import phantom
from monai_tbkd.metrics import calibrated_threshold, operating_point


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for flag, text in (("--version", __version__), ("--help", "not for diagnosis")):
        with pytest.raises(SystemExit) as stop:
            main([flag])
        assert stop.value.code == 0
        assert text in " ".join(capsys.readouterr().out.split())


@pytest.mark.system
def test_help_and_a_typing_error_import_neither_torch_nor_monai() -> None:
    script = "import sys, monai_tbkd.__main__; print(sorted({'torch', 'monai', 'numpy', 'yaml'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_choices_of_options_are_those_of_the_library() -> None:
    assert arguments.INPUT_KINDS == calibrated_threshold.INPUT_KINDS
    assert arguments.FORMATS == write_network.FORMATS
    assert arguments.CUE_KINDS == phantom.CUE_KINDS
    assert arguments.SELECTIONS == operating_point.SELECTIONS


def test_bundle_prints_and_copies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle"]) == 0
    assert (Path(capsys.readouterr().out.strip()) / "configs" / "train.yaml").is_file()
    assert main(["bundle", "--recipes"]) == 0
    assert (Path(capsys.readouterr().out.strip()) / "demo.yaml").is_file()
    assert main(["bundle", "--output", str(tmp_path / "own")]) == 0
    assert (tmp_path / "own" / "bundle" / "configs" / "inference.yaml").is_file()
    assert (tmp_path / "own" / "configs" / "paper.yaml").is_file()
    assert main(["bundle", "--output", str(tmp_path / "own")]) == 2
    assert "is there already" in capsys.readouterr().err


def test_phantom_writes_a_data_set_and_a_sheet(tmp_path: Path) -> None:
    words = ["--output", str(tmp_path / "images"), "--train", "1", "0", "1", "--val", "0", "1", "0", "--size", "96"]
    assert main(["phantom", *words, "--shortcuts", "letter", "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert sorted(p.name for p in (tmp_path / "images/imgs").rglob("*.png")) == ["h0001.png", "s0001.png", "tb0001.png"]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.mode == "RGB" and sheet.size == (4 * 384, 3 * (384 + 22))


def test_the_demo_serves_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    gradio, page = MagicMock(__spec__=ModuleSpec("gradio", None)), MagicMock()
    monkeypatch.setitem(sys.modules, "gradio", gradio)
    monkeypatch.setattr(demo, "_page", lambda ckpt_dir: page)
    monkeypatch.setattr(demo.os, "environ", dict(os.environ))
    assert main(["demo", "--port", "7000"]) == 0
    given = page.launch.call_args.kwargs
    assert (given["server_name"], given["server_port"], given["share"]) == ("127.0.0.1", 7000, False)


@pytest.mark.parametrize("words", [[], ["--output", "images", "--size", "8"]])
def test_phantom_with_bad_words_ends_with_2(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["phantom", *words]) == 2
    assert list(tmp_path.iterdir()) == []
