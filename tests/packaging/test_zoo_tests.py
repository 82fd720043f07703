"""The tests that the Model Zoo would run, on the folder that it would get, in an environment without this package."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from monai_tbkd.packaging.bundle_runs import LAUNCHER
from tests.bundle.inference_process import environment
from tests.conftest import REPOSITORY
from tests.packaging.conftest import NAME
from tests.processes import run_python, run_ranks

pytestmark = pytest.mark.system

pytest.importorskip("parameterized", reason="the zoo's tests are written with parameterized")
TESTS = REPOSITORY / "tests" / "packaging" / "zoo_tests"


@pytest.fixture
def zoo(packaged: Path, tmp_path: Path) -> Path:
    """A tree like the zoo's repository."""
    shutil.copytree(packaged, tmp_path / "zoo" / "models" / NAME)
    shutil.copytree(TESTS, tmp_path / "zoo" / "ci" / "unit_tests")
    return tmp_path / "zoo"


def run(zoo: Path, test: str, processes: int) -> str:
    # The launcher lets monai_tbkd come from the folder and from nowhere else.
    kept = {key: value for key, value in environment(zoo).items() if key != "PYTHONPATH"}
    words = [str(LAUNCHER), f"models/{NAME}", f"ci/unit_tests/{test}"]
    done = run_python(words, zoo, kept) if processes == 1 else run_ranks(words, zoo, kept, processes)
    assert done.status == 0, done.text[-3000:]
    return done.text


def test_unit_test(zoo: Path) -> None:
    assert "Ran 1 test" in run(zoo, f"test_{NAME}.py", 1)


def test_distributed_unit_test(zoo: Path) -> None:
    assert run(zoo, f"test_{NAME}_dist.py", 2).count("Ran 1 test") == 2
