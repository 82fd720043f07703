"""The tests that the Model Zoo would run, on the folder that it would get, in an environment without this package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monai_tbkd.packaging.verification.shrunken_runs import LAUNCHER
from tests.bundle.inference_process import environment
from tests.conftest import REPOSITORY
from tests.packaging.conftest import NAME

pytestmark = pytest.mark.system

pytest.importorskip("parameterized", reason="the zoo's tests are written with parameterized")
TESTS = REPOSITORY / "packaging" / "zoo_tests"


@pytest.fixture
def zoo(packaged: Path, tmp_path: Path) -> Path:
    """A tree like the zoo's repository."""
    shutil.copytree(packaged, tmp_path / "zoo" / "models" / NAME)
    shutil.copytree(TESTS, tmp_path / "zoo" / "ci" / "unit_tests")
    return tmp_path / "zoo"


def run(zoo: Path, *command: str) -> str:
    # The launcher lets monai_tbkd come from the folder and from nowhere else.
    kept = {key: value for key, value in environment(zoo).items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *command], cwd=zoo, env=kept, text=True, timeout=400,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_unit_test(zoo: Path) -> None:
    text = run(zoo, str(LAUNCHER), f"models/{NAME}", f"ci/unit_tests/test_{NAME}.py")
    assert "Ran 1 test" in text


def test_distributed_unit_test(zoo: Path) -> None:
    launched = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(LAUNCHER))
    text = run(zoo, *launched, f"models/{NAME}", f"ci/unit_tests/test_{NAME}_dist.py")
    assert text.count("Ran 1 test") == 2
