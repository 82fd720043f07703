from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from monai_tbkd import __version__
from monai_tbkd.__main__ import main


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for flag, text in (("--version", __version__), ("--help", "not for diagnosis")):
        with pytest.raises(SystemExit) as stop:
            main([flag])
        assert stop.value.code == 0
        assert text in " ".join(capsys.readouterr().out.split())


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


def test_phantom_writes_a_sheet(tmp_path: Path) -> None:
    assert main(["phantom", "--size", "96", "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert Image.open(tmp_path / "sheet.png").width > 4 * 96
