"""The package as users get it: a wheel in another environment, run from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, SMALL

pytestmark = pytest.mark.system


def call(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # a copy, so that build folders don't end up in the source tree
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, tracked.split("\0")):
        source, target = REPOSITORY / name, folder / "source" / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ".", cwd=folder / "source")
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another environment, with the wheel installed and the libraries of this one within reach."""
    folder = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    interpreter = folder / "venv" / "bin" / "python"
    call(interpreter, "-m", "pip", "install", "--no-deps", "--no-index", wheel, cwd=folder)
    site = Path(call(interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    # a plain path: the source tree that this environment may be linked to does not come along
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


def test_wheel_holds_package_configs_recipes_and_no_weights(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {"__init__.py", "py.typed", "_bundle/configs/train.yaml", "_bundle/configs/metadata.json"}
    expected |= {
        "report/page.css",
        "report/films.css",
        "report/batch_page.js",
        "data/frontal_gate.npz",
        "_bundle/configs/logging.conf",
        "_bundle/LICENSE",
        "_bundle/docs/README.md",
        "_recipes/demo.yaml",
        "_recipes/study/hemithorax.yaml",
        "_recipes/study/image_labels.yaml",
        "transforms/lung_box.npz",
    }
    assert {f"monai_tbkd/{n}" for n in expected} <= names
    own = {p.relative_to(REPOSITORY).as_posix() for p in (REPOSITORY / "monai_tbkd").rglob("*.py")}
    assert own <= names
    assert not [n for n in names if n.endswith((".pt", ".pth", ".png")) or n.startswith("tests")]


def test_main_job_from_the_wheel_in_another_folder(python: Path, tmp_path: Path) -> None:
    where = call(python, "-c", "import monai_tbkd; print(monai_tbkd.__file__)", cwd=tmp_path).strip()
    assert not where.startswith(str(REPOSITORY))
    call(python, "-m", "monai_tbkd", "phantom", "--output", "films", "--train", "6", "4", "8", "--val", "2", "2", "4",
         "--size", "96", cwd=tmp_path)  # fmt: skip
    configs = Path(call(python, "-m", "monai_tbkd", "bundle", cwd=tmp_path).strip()) / "configs"
    small = [x for k, v in SMALL.items() if k != "device" for x in (f"--{k}", str(v))]
    small += ["--max_epochs", "1", "--select", "0.4"]
    run = [python, "-m", "monai.bundle", "run", "--config_file"]
    call(*run, configs / "train.yaml", "--dataset_dir", "films", *small, cwd=tmp_path)
    both = f"['{configs / 'train.yaml'}','{configs / 'evaluate.yaml'}']"
    call(*run, both, "--dataset_dir", "films", *small, cwd=tmp_path)
    call(
        *run, configs / "inference.yaml", "--dataset_dir", "films/imgs/tb", "--output_dir", "out", *small, cwd=tmp_path
    )
    assert (tmp_path / "models" / "model.pt").is_file()
    assert (tmp_path / "outputs" / "metrics.json").is_file()
    assert len((tmp_path / "out" / "predictions.csv").read_text().splitlines()) == 1 + 12


def test_from_the_root_and_from_inside_the_bundle_into_the_same_place(python: Path, tmp_path: Path) -> None:
    call(python, "-m", "monai_tbkd", "bundle", "--output", ".", cwd=tmp_path)
    call(python, "-m", "monai_tbkd", "phantom", "--output", "films", "--train", "6", "4", "8", "--val", "2", "2", "4",
         "--size", "96", cwd=tmp_path)  # fmt: skip
    small = [x for k, v in SMALL.items() if k != "device" for x in (f"--{k}", str(v))]
    small += ["--max_epochs", "1", "--select", "0.4"]
    run = [python, "-m", "monai.bundle", "run"]
    root = ["--config_file", "bundle/configs/train.yaml", "--dataset_dir", "films", *small]
    call(*run, "run_teacher", *root, cwd=tmp_path)
    teacher = tmp_path / "bundle" / "models" / "teacher.pt"
    written = teacher.stat().st_mtime_ns
    inside = ["--config_file", "configs/train.yaml", "--dataset_dir", "../films", *small]
    call(*run, "run_student", *inside, cwd=tmp_path / "bundle")
    assert (tmp_path / "bundle" / "models" / "model.pt").is_file()
    assert teacher.stat().st_mtime_ns == written
    assert {p.name for p in (tmp_path / "bundle" / "outputs" / "tensorboard").iterdir()} >= {"teacher", "student"}
    assert {p.name for p in tmp_path.iterdir()} == {"bundle", "configs", "films"}
