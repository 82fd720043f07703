"""The bundle's folder with a tiny model, and programs that start quickly."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from monai_tbkd.bundle.config_files import read_config
from monai_tbkd.packaging import bundle_runs, bundle_verification, vendored_code
from monai_tbkd.packaging.bundle_package import write_package
from monai_tbkd.packaging.model_facts import read_facts
from tests.conftest import SMALL_RECIPE
from tests.processes import run_python, run_ranks

collect_ignore = ["zoo_tests"]  # run by test_zoo_tests.py
NAME = "cxr_tuberculosis_localization"
# as a user would give them with --set; what the architecture is, the checkpoint's record knows
_TURNED = ("teacher_terms", "pasted_copies", "balance", "min_side", "grid", "num_workers", "bootstrap_resamples",
           "overlays", "select")  # fmt: skip
SMALLER = {key: value for key, value in read_config(SMALL_RECIPE).items() if key in _TURNED}


@pytest.fixture(scope="session")
def packaged(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder; not to be changed (copy it)."""
    models, folder = trained / "models", tmp_path_factory.mktemp("packaged") / NAME
    facts = read_facts(models / "model.pt", metrics=trained / "out" / "metrics.json")
    return write_package(folder, facts, [SMALLER], full=True)


@pytest.fixture(scope="session", autouse=True)
def _sources_are_read_once() -> Iterator[None]:
    """Let all folders be made of the same code."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_imports", "_modules_of", "packages_distributions"):
            patch.setattr(vendored_code, name, cache(getattr(vendored_code, name)))
        yield


@pytest.fixture
def quick_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start programs by :mod:`tests.processes`, with the arguments of the real launch."""

    def launched(root: Path, arguments: Sequence[str], work: Path, processes: int = 1) -> CompletedProcess[str]:
        work.mkdir(parents=True, exist_ok=True)
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "TBKD_TRACEBACK")}
        environment = kept | {"PYTHONDONTWRITEBYTECODE": "1"}
        words = [str(bundle_runs.LAUNCHER), str(root), *arguments]
        one = processes == 1
        done = run_python(words, work, environment) if one else run_ranks(words, work, environment, processes)
        return CompletedProcess(words, done.status, done.text)

    for module in (bundle_runs, bundle_verification):
        monkeypatch.setattr(module, "launch", launched)
