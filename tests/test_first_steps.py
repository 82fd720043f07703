"""The notebook of first steps, run as it stands, with fewer images and epochs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.system

FEWER = {'"80", "40", "120"': '"12", "8", "16"', '"20", "10", "30"': '"4", "4", "6"', "EPOCHS = 12": "EPOCHS = 1"}


def test_every_cell_runs(tmp_path: Path) -> None:
    book = json.loads((REPOSITORY / "docs" / "first_steps.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert not any(cell.get("outputs") for cell in book["cells"])
    code = "\n\n".join(cells)
    for long, short in FEWER.items():
        assert long in code
        code = code.replace(long, short)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "student" in done.stdout and (tmp_path / "first_steps" / "out" / "report.html").is_file()
