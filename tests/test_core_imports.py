"""Training, evaluation and inference import nothing that only an extra installs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bundle.inference_process import environment
from tests.conftest import REPOSITORY
from tests.processes import run_python

pytestmark = pytest.mark.system

PROGRAM = """
import sys
from pathlib import Path

EXTRAS = {"dicomweb_client", "gradio", "highdicom", "mlflow", "monailabel", "nvflare", "onnx", "onnxruntime",
          "openvino", "requests"}
OF_PYTHON = ("importlib", "_frozen_importlib", "monai.utils.module")


class NoExtras:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in EXTRAS:
            return None
        frame = sys._getframe(1)
        while frame and frame.f_globals.get("__name__", "").startswith(OF_PYTHON):
            frame = frame.f_back
        importer = frame.f_globals.get("__name__", "") if frame else ""
        if importer.startswith("monai_tbkd"):  # MONAI and torch take what is there
            print(f"EXTRA {name} by {importer}", flush=True)
            raise ModuleNotFoundError(f"{name} is refused", name=name)
        return None


for name in [name for name in sys.modules if name.split(".")[0] in EXTRAS]:
    del sys.modules[name]
sys.meta_path.insert(0, NoExtras())

import monai_tbkd
from monai_tbkd.data import CXRReader, list_images
from tests.conftest import run_bundle

folder, phantoms = Path(sys.argv[1]), sys.argv[2]
images = f"{phantoms}/imgs/tb"
CXRReader().read(list_images(images)[0]["image"])
run_bundle(["train"], stage="teacher", max_epochs=1, dataset_dir=phantoms, ckpt_dir=str(folder / "own"),
           output_dir=str(folder / "own_out"))
models = str(folder / "models")
run_bundle(["train", "evaluate"], dataset_dir=phantoms, ckpt_dir=models, output_dir=str(folder / "out"))
run_bundle(["inference"], dataset_dir=images, ckpt_dir=models, output_dir=str(folder / "found"))
model = monai_tbkd.load_model(models)
print("found", len(model.locate(list_images(images)[0]["image"]).boxes), "boxes")
"""


def test_the_core_needs_no_extra(trained: Path, phantoms: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "models", tmp_path / "models")
    (tmp_path / "program.py").write_text(PROGRAM)
    kept = environment(tmp_path) | {"PYTHONPATH": str(REPOSITORY)}
    done = run_python([str(tmp_path / "program.py"), str(tmp_path), str(phantoms)], tmp_path, kept)
    assert done.status == 0, done.text[-3000:]
    assert "EXTRA" not in done.text
    assert (tmp_path / "out" / "metrics.json").is_file()
    assert (tmp_path / "found" / "predictions.csv").is_file()
    assert "boxes" in done.text
