"""Shared fixtures (real images where there are any, phantom images, a bundle trained on them) and the tiers of tests.

A test is a unit test unless it is marked ``bundle`` (it runs configs of the bundle, or a whole command, in this
process) or ``system`` (it starts processes: commands, servers, wheels). Users of the fixtures below are marked here. A
unit test that starts a process or a workflow fails, so that ``make test-fast`` stays fast.
"""

from __future__ import annotations

import multiprocessing.process
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # pytest's controller, which runs no test, need not wait for torch and MONAI
    from monai.bundle import ConfigWorkflow

# Before torch is imported: there are as many workers as cores, and each has one thread, as have the processes that it
# starts. Sums of one thread are also the same on every machine of a kind.
os.environ["OMP_NUM_THREADS"] = "1"

REPOSITORY = Path(__file__).resolve().parents[1]
SMALL_RECIPE = REPOSITORY / "tests" / "small.yaml"
"""The smallest run that goes through everything, as a recipe over train.yaml or inference.yaml."""
SMALL_NETWORK: dict[str, Any] = {"backbone": "resnet18", "width": 0.125, "last_stage": "layer2", "output_stride": 8}
"""Its network."""


BUNDLE_FIXTURES = {"trained", "small_run", "packaged"}
SYSTEM_FIXTURES = {"start_orthanc", "orthanc"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tiers, and bring files with slow tests to the front, so that no worker ends long after the others."""
    tier_of_file: dict[Path, int] = {}
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & SYSTEM_FIXTURES or "label_server" in item.path.parts:
            item.add_marker("system")
        elif fixtures & BUNDLE_FIXTURES:
            item.add_marker("bundle")
        tier_of_file[item.path] = max(tier_of_file.get(item.path, 0), tier(item))
    items.sort(key=lambda item: -tier_of_file[item.path])


def tier(item: pytest.Item) -> int:
    """0 unit, 1 bundle, 2 system."""
    return 2 if item.get_closest_marker("system") else int(item.get_closest_marker("bundle") is not None)


@pytest.fixture(autouse=True)
def _unit_tests_start_nothing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if tier(request.node):
        return

    from monai.bundle import ConfigWorkflow

    def refuse(*args: Any, **more: Any) -> None:
        pytest.fail("a unit test starts a process or a workflow; mark it system or bundle")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
    monkeypatch.setattr(ConfigWorkflow, "initialize", refuse)


@pytest.fixture(autouse=True)
def _readers_see_what_a_test_has_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode in a process that is forked within the test, not in one of an earlier test."""
    if module := sys.modules.get("monai_tbkd.data.readers.reader_process"):
        monkeypatch.setattr(module, "_own", threading.local())


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images, named by TBKD_REAL_DATA."""
    folder = os.environ.get("TBKD_REAL_DATA")
    if not folder:
        pytest.skip("TBKD_REAL_DATA is not set: no real images to test on")
    return Path(folder)


@pytest.fixture(scope="session")
def real_weights(real_data: Path) -> Path:
    """ImageNet weights of a ResNet-50 (strides in 1x1), beside the real images."""
    path = real_data.parent / "weights" / "resnet50_imagenet_v1_fp16.pt"
    if not path.is_file():
        pytest.skip(f"there is no {path.name} beside the real images")
    return path


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small phantom data set in TBX11K's layout; not to be changed (copy it)."""
    from monai_tbkd.data.phantom import write_phantom_dataset

    counts = {"health": 8, "sick": 4, "tb": 14}
    return write_phantom_dataset(
        tmp_path_factory.mktemp("phantoms") / "data",
        n_train=counts,
        n_val={"health": 3, "sick": 2, "tb": 5},
        size=128,
        shortcut_kinds=("letter",),
    )


@pytest.fixture
def phantom_copy(phantoms: Path, tmp_path: Path) -> Path:
    """A copy of the phantom data set that a test may damage."""
    return Path(shutil.copytree(phantoms, tmp_path / "images"))


def run_bundle(configs: list[str], run_id: str = "run", **overrides: Any) -> ConfigWorkflow:
    """Run configs of the bundle in this process, as ``python -m monai.bundle run`` does, with small numbers."""
    workflow = open_bundle(configs, run_id, **overrides)
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    return workflow


def config_files(*configs: str) -> list[str]:
    """Files of the bundle's configs by name, with the small recipe over them."""
    return [*(str(REPOSITORY / "bundle" / "configs" / f"{c}.yaml") for c in configs), str(SMALL_RECIPE)]


def open_bundle(configs: list[str], run_id: str = "run", **overrides: Any) -> ConfigWorkflow:
    """The workflow of configs of the bundle, not yet run."""
    from monai.bundle import ConfigWorkflow

    kind = "infer" if configs == ["inference"] else "train"
    given = {"device": "$torch.device('cpu')", **overrides}
    return ConfigWorkflow(config_files(*configs), run_id=run_id, workflow_type=kind, logging_file=False, **given)


@pytest.fixture(scope="session")
def trained(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``models`` and ``out`` after training, control and evaluation on phantom images."""
    folder = tmp_path_factory.mktemp("trained")
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(folder / "models"), "output_dir": str(folder / "out")}
    run_bundle(["train"], **where)
    run_bundle(["train"], stage="control", **where)
    run_bundle(["train", "evaluate"], **where)
    return folder


@pytest.fixture
def small_run(phantoms: Path, tmp_path: Path) -> Callable[..., ConfigWorkflow]:
    """Runs configs with small numbers on the phantom images, into the test's own folder."""

    def run(configs: list[str], run_id: str = "run", **overrides: Any) -> ConfigWorkflow:
        where = {
            "dataset_dir": str(phantoms),
            "ckpt_dir": str(tmp_path / "models"),
            "output_dir": str(tmp_path / "out"),
        }
        return run_bundle(configs, run_id, **{**where, **overrides})

    return run
