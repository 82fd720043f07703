"""Checks of a bundle with programs that start quickly."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from monai_tbkd.packaging.verification import bundle_verification, shrunken_runs
from tests.processes import run_python, run_ranks


@pytest.fixture
def quick_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start programs by :mod:`tests.processes`, with the arguments of the real launch."""

    def launched(root: Path, arguments: Sequence[str], work: Path, processes: int = 1) -> CompletedProcess[str]:
        work.mkdir(parents=True, exist_ok=True)
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "TBKD_TRACEBACK")}
        environment = kept | {"PYTHONDONTWRITEBYTECODE": "1"}
        words = [str(shrunken_runs.LAUNCHER), str(root), *arguments]
        one = processes == 1
        done = run_python(words, work, environment) if one else run_ranks(words, work, environment, processes)
        return CompletedProcess(words, done.status, done.text)

    for module in (shrunken_runs, bundle_verification):
        monkeypatch.setattr(module, "launch", launched)
