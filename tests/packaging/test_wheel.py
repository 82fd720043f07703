"""The package as users get it: a wheel in another environment, run from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, SMALL_RECIPE
from tests.processes import run_python

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
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    tracked = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, check=True).stdout.decode()
    for name in filter(None, tracked.split("\0")):
        source, target = REPOSITORY / name, folder / "source" / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ".", cwd=folder / "source")
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of another environment, in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    interpreter = folder / "venv" / "bin" / "python"
    call(
        sys.executable, "-m", "pip", f"--python={interpreter}", "install", "--no-deps", "--no-index", wheel, cwd=folder
    )
    (found,) = folder.glob("venv/lib/python*/site-packages")
    return found


@pytest.fixture(scope="module")
def work(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, made by the installed package with the libraries of this environment within reach."""
    folder = tmp_path_factory.mktemp("work")
    # a plain path: the source tree that this environment may be linked to does not come along
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    counts = ("--train", "6", "4", "8", "--val", "2", "2", "4", "--size", "96")
    interpreter = site.parents[2] / "bin" / "python"
    call(interpreter, "-m", "monai_tbkd", "phantom", "--output", "images", *counts, cwd=folder)
    return folder


def run(site: Path, *words: str | Path, cwd: Path) -> str:
    """What a program of the installed package writes."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = run_python([str(word) for word in words], cwd, kept | {"PYTHONPATH": str(site)})
    assert done.status == 0, f"{words}\n{done.text[-4000:]}"
    return done.text


def train(site: Path, *configs: str | Path, given: dict[str, object], cwd: Path) -> None:
    files = str([*map(str, configs), str(SMALL_RECIPE)])
    words = [str(x) for k, v in ({"max_epochs": 1, "select": 0.4} | given).items() for x in (f"--{k}", v)]
    run(site, "-m", "monai.bundle", "run", "--config_file", files, *words, cwd=cwd)


def test_wheel_holds_package_configs_recipes_and_the_released_model_alone(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        "__init__.py", "py.typed", "_bundle/configs/train.yaml", "_bundle/configs/metadata.json", "report/page.css",
        "report/page.html",
        "report/image.html", "report/images.css", "report/batch_page.js", "data/gate/frontal_gate.npz",
        "_bundle/configs/logging.conf",
        "_bundle/LICENSE", "_bundle/docs/README.md", "_recipes/demo.yaml", "_recipes/halves.yaml",
        "_recipes/paper.yaml", "packaging/plain_inference.yaml", "packaging/own_runs.yaml",
        "packaging/model_readme.md.j2", "_bundle/configs/preprocessing.yaml", "transforms/lung_box.npz",
    }  # fmt: skip
    assert {f"monai_tbkd/{n}" for n in expected} <= names
    own = {p.relative_to(REPOSITORY).as_posix() for p in (REPOSITORY / "monai_tbkd").rglob("*.py")}
    assert own <= names
    names_of_model = ("model.pt", "model.json", "operating_point.json", "model_card.md", "LICENSE")
    model = {f"monai_tbkd/models/{name}" for name in names_of_model}
    assert model <= names
    others = [n for n in names - model if n.endswith((".pt", ".pth", ".png")) or n.startswith("tests")]
    assert not others
    assert zipfile.ZipFile(wheel).getinfo("monai_tbkd/models/model.pt").file_size <= 16 * 10**6


def test_main_job_from_the_wheel_in_another_folder(site: Path, work: Path, tmp_path: Path) -> None:
    (tmp_path / "where.py").write_text("import monai_tbkd\nprint(monai_tbkd.__file__)")
    assert run(site, str(tmp_path / "where.py"), cwd=tmp_path).strip() == str(site / "monai_tbkd" / "__init__.py")
    configs = Path(run(site, "-m", "monai_tbkd", "bundle", cwd=tmp_path).strip()) / "configs"
    assert configs.is_relative_to(site)
    images = work / "images"
    train(site, configs / "train.yaml", given={"dataset_dir": images}, cwd=tmp_path)
    train(site, configs / "train.yaml", configs / "evaluate.yaml", given={"dataset_dir": images}, cwd=tmp_path)
    where = {"dataset_dir": images / "imgs" / "tb", "output_dir": "out"}
    train(site, configs / "inference.yaml", given=where, cwd=tmp_path)
    assert (tmp_path / "models" / "model.pt").is_file()
    assert (tmp_path / "outputs" / "metrics.json").is_file()
    assert len((tmp_path / "out" / "predictions.csv").read_text().splitlines()) == 1 + 12


def test_from_the_root_and_from_inside_the_bundle_into_the_same_place(site: Path, work: Path) -> None:
    run(site, "-m", "monai_tbkd", "bundle", "--output", ".", cwd=work)
    train(site, "bundle/configs/train.yaml", given={"dataset_dir": "images", "stage": "teacher"}, cwd=work)
    teacher = work / "bundle" / "models" / "teacher.pt"
    written = teacher.stat().st_mtime_ns
    inside = work / "bundle"
    train(site, "configs/train.yaml", given={"dataset_dir": "../images", "stage": "student"}, cwd=inside)
    assert (inside / "models" / "model.pt").is_file()
    assert teacher.stat().st_mtime_ns == written
    assert {p.name for p in (inside / "outputs" / "tensorboard").iterdir()} >= {"teacher", "student"}
    assert {p.name for p in work.iterdir()} == {"bundle", "configs", "images"}
