"""The ``phantom`` command."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from PIL import Image

from monai_tbkd.commands import phantom


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    phantom.add_parser(parser.add_subparsers())
    return parser.parse_args(["phantom", *words])


def test_it_writes_a_data_set_and_a_sheet(tmp_path: Path) -> None:
    words = ["--output", str(tmp_path / "films"), "--train", "1", "0", "1", "--val", "0", "1", "0", "--size", "96"]
    args = parse(*words, "--shortcuts", "letter", "--sheet", str(tmp_path / "sheet.png"))
    assert args.run(args) == 0
    assert sorted(p.name for p in (tmp_path / "films/imgs").rglob("*.png")) == ["h0001.png", "s0001.png", "tb0001.png"]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.mode == "RGB" and sheet.size == (4 * 384, 3 * (384 + 22))


@pytest.mark.parametrize("words", [[], ["--output", "films", "--size", "8"]])
def test_bad_words_end_with_2(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    args = parse(*words)
    assert args.run(args) == 2
    assert list(tmp_path.iterdir()) == []
