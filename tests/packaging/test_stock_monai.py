"""What stock MONAI does with the packaged folder, in processes that know no installed copy of this package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, create_workflow

from monai_tbkd.packaging.bundle_runs import LAUNCHER
from tests.bundle.inference_process import environment
from tests.packaging.conftest import NAME
from tests.processes import run_python

pytestmark = pytest.mark.system


@pytest.fixture
def bundle(packaged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packaged, tmp_path / NAME))


def monai_bundle(bundle: Path, *words: str) -> str:
    kept = {key: value for key, value in environment(bundle.parent).items() if key != "PYTHONPATH"}
    done = run_python([str(LAUNCHER), str(bundle), "monai.bundle", *words], bundle, kept)
    assert done.status == 0, done.text[-3000:]
    return done.text


def words(**given: Any) -> list[str]:
    return [word for key, value in given.items() for word in (f"--{key}", str(value))]


def network_and_image(bundle: Path) -> tuple[torch.nn.Module, torch.Tensor]:
    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / "inference.json"))
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    return network.eval(), torch.rand(1, 3, 64, 64)


def test_create_workflow(bundle: Path, phantoms: Path, tmp_path: Path) -> None:
    workflow = create_workflow(
        # this process has the installed package, whose idea of the bundle is another
        config_file=str(bundle / "configs" / "inference.json"), workflow_type="inference", bundle_root=str(bundle),
        logging_file=False,
        dataset_dir=str(phantoms / "imgs" / "tb"), output_dir=str(tmp_path / "out"), progress_bar=False, num_workers=0,
    )  # fmt: skip
    assert workflow.check_properties() == []
    workflow.run()
    workflow.finalize()
    images = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert len(images["images"]) == 19
    assert "knows no real image" in images["notice"]


def test_tracking_by_mlflow(bundle: Path, phantoms: Path, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra tracking is not installed")
    pytest.importorskip("sqlalchemy", reason="the extra tracking is not installed")
    turned = {"batch_size": 8, "max_epochs": 2, "progress_bar": False, "stage": "teacher", "val_interval": 1}
    where = {"ckpt_dir": tmp_path / "models", "output_dir": f"${str(tmp_path / 'out')!r}"}
    given = words(dataset_dir=phantoms, **where, **turned, tracking="mlflow")
    monai_bundle(bundle, "run", "--config_file", "configs/train.json", *given)
    database = tmp_path / "out" / "mlruns.db"
    assert database.is_file()
    client = mlflow.MlflowClient(f"sqlite:///{database}")
    (run,) = [r for e in client.search_experiments() for r in client.search_runs([e.experiment_id])]
    assert len(client.get_metric_history(run.info.run_id, "train_loss")) == 4  # two epochs of two batches
    assert {"val/auc", "val/union_mask_miou", "val/pointing_game"} <= set(run.data.metrics)


def test_ckpt_export(bundle: Path) -> None:
    (bundle / "models" / "model.ts").unlink()
    files = words(filepath="models/model.ts", ckpt_file="models/model.pt", meta_file="configs/metadata.json")
    shape = words(config_file="configs/inference.json", input_shape="[1,3,64,64]")
    monai_bundle(bundle, "ckpt_export", "network_def", *files, *shape)
    network, image = network_and_image(bundle)
    with torch.no_grad():
        assert torch.equal(torch.jit.load(bundle / "models" / "model.ts")(image), network(image))


def test_onnx_export(bundle: Path) -> None:
    onnx_reference = pytest.importorskip("onnx.reference", reason="onnx is not installed")
    files = words(filepath="models/model.onnx", ckpt_file="models/model.pt", meta_file="configs/metadata.json")
    # the exporter that traces needs no further package
    how = words(input_shape="[1,3,64,64]", use_trace=True, converter_kwargs="{'dynamo':False}")
    monai_bundle(bundle, "onnx_export", "network_def", *files, "--config_file", "configs/inference.json", *how)
    network, image = network_and_image(bundle)
    session = onnx_reference.ReferenceEvaluator(str(bundle / "models" / "model.onnx"))
    (found,) = session.run(None, {session.input_names[0]: image.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, network(image).numpy(), atol=1e-4)
