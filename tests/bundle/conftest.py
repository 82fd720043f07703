"""What tests of the bundle's runs share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.report.test_evaluation_page import BlankCanvas


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts of an evaluation are made, and not drawn."""
    monkeypatch.setattr("monai_tbkd.report.evaluation_charts.FigureCanvasSVG", BlankCanvas)


@pytest.fixture
def taught(small_run: Callable, trained: Path, tmp_path: Path) -> Callable:
    """Trains a student of the teacher that is there already."""
    (tmp_path / "models").mkdir()
    for name in ("teacher.pt", "teacher.json"):
        shutil.copy(trained / "models" / name, tmp_path / "models" / name)
    return partial(small_run, ["train"], stage="student")
