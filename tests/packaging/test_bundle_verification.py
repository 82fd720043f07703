"""``verify_bundle`` on our own folder, on damaged ones, and on a bundle of somebody else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from monai_tbkd.__main__ import main
from monai_tbkd.packaging.bundle_runs import read_runs
from monai_tbkd.packaging.bundle_verification import verify
from monai_tbkd.packaging.file_hashes import write_hashes
from tests.conftest import REPOSITORY
from tests.packaging.conftest import NAME

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("quick_launch")]


@pytest.fixture
def copy(packaged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packaged, tmp_path / NAME))


def test_our_folder_passes_every_check_and_every_config_is_run(packaged: Path, tmp_path: Path) -> None:
    hashes = write_hashes(packaged, tmp_path / "hashes")
    report = tmp_path / "report.json"
    assert main(["verify_bundle", str(packaged), "--hashes", str(hashes), "--report", str(report)]) == 0
    found = json.loads(report.read_text())
    levels = {(f["check"], f["level"]) for f in found}
    for check in ("hashes", "files", "size", "metadata", "configs", "network", "torchscript", "run", "properties"):
        assert (check, "ok") in levels, check
    assert {f["level"] for f in found} <= {"ok", "skipped"}
    # only the schema, which was not given, and what needs a PACS or a federation's server
    skipped = [(f["check"], f["text"].split(":")[0]) for f in found if f["level"] == "skipped"]
    assert skipped[0][0] == "schema"
    assert skipped[1:] == [
        ("run", "inference + pacs, run"),
        ("run", "train + federated, run"),
    ]
    ran = "\n".join(f["text"] for f in found if f["check"] == "run" or "taken by" in f["text"])
    for path in (REPOSITORY / "bundle" / "configs").glob("*.yaml"):
        assert path.stem in ran
    assert write_hashes(packaged, tmp_path / "after").read_bytes() == hashes.read_bytes()  # nothing was left in it


def test_nothing_is_run_of_a_folder_that_is_not_as_listed(copy: Path, tmp_path: Path) -> None:
    hashes = write_hashes(copy, tmp_path / "hashes")
    trap = tmp_path / "trap"
    config = json.loads((copy / "configs" / "inference.json").read_text())
    config["network_def"] = f"$open({str(trap)!r}, 'w')"
    (copy / "configs" / "inference.json").write_text(json.dumps(config))
    found = list(verify(copy, tmp_path / "work", hashes=hashes))
    assert [f.level for f in found] == ["error", "skipped"]
    assert "configs/inference.json has another hash" in found[0].text
    assert not trap.exists()
    assert list(verify(copy, tmp_path / "work", run=False))  # nor where nothing is to be run
    assert not trap.exists()
    list(verify(copy, tmp_path / "work", runs=_no_runs(tmp_path)))
    assert trap.exists()  # the trap works


def test_code_that_the_bundle_lacks_is_not_taken_from_elsewhere(copy: Path, tmp_path: Path) -> None:
    (copy / "monai_tbkd" / "networks" / "activation_map_net.py").unlink()
    found = list(verify(copy, tmp_path / "work", runs=_no_runs(tmp_path)))
    assert any(f.check == "network" and f.level == "error" and "activation_map_net" in f.text for f in found)


def test_a_script_that_is_not_the_models_is_found(copy: Path, tmp_path: Path) -> None:
    state = torch.load(copy / "models" / "model.pt", weights_only=True)
    state["head.bias"] += 1.0
    torch.save(state, copy / "models" / "model.pt")
    found = list(verify(copy, tmp_path / "work", runs=_no_runs(tmp_path)))
    (fault,) = [f for f in found if f.level == "error"]
    assert fault.text.startswith("models/model.ts differs from the network by 1.0e+00")


def test_a_config_that_fails_is_reported_with_the_reason(copy: Path, tmp_path: Path) -> None:
    spec = {"runs": [{"configs": ["inference"], "overrides": {"dataset_dir": "{work}/none"}}]}
    (tmp_path / "runs.yaml").write_text(yaml.safe_dump(spec))
    found = list(verify(copy, tmp_path / "work", runs=tmp_path / "runs.yaml"))
    (fault,) = [f for f in found if f.level == "error"]
    assert "there is no such folder or file" in fault.text
    assert {f.text.split(":")[0] for f in found if f.level == "warning"} >= {"train", "train + evaluate"}


SOMEBODYS = {
    "imports": ["$import os"],
    "bundle_root": ".",
    "device": "cpu",
    "dataset_dir": "data",
    "network_def": {
        "_target_": "BasicUNet", "spatial_dims": 2, "in_channels": 1, "out_channels": 2, "features": [4, 4, 4, 4, 4, 4],
    },
    "network": "$@network_def.to(@device)",
    "preprocessing": {"_target_": "Compose", "transforms": []},
    "dataset": {"_target_": "Dataset", "data": "$[{'image': torch.rand(1, 32, 32)}]", "transform": "@preprocessing"},
    "dataloader": {"_target_": "DataLoader", "dataset": "@dataset"},
    "inferer": {"_target_": "SimpleInferer"},
    "evaluator": {
        "_target_": "SupervisedEvaluator", "device": "@device", "val_data_loader": "@dataloader", "network": "@network",
        "inferer": "@inferer",
    },
    "run": ["$@evaluator.run()"],
}  # fmt: skip


def test_somebody_elses_bundle(tmp_path: Path) -> None:
    root = tmp_path / "spleen_ct_segmentation"
    (root / "configs").mkdir(parents=True)
    (root / "LICENSE").write_text("license")
    (root / "configs" / "inference.json").write_text(json.dumps(SOMEBODYS))
    metadata = json.loads((REPOSITORY / "bundle" / "configs" / "metadata.json").read_text())
    image, pred = (metadata["network_data_format"][k][n] for k, n in (("inputs", "image"), ("outputs", "pred")))
    image["num_channels"], pred["num_channels"], image["spatial_shape"] = 1, 2, ["2**p", 32]
    (root / "configs" / "metadata.json").write_text(json.dumps(metadata))
    spec = {"runs": [{"configs": ["inference"], "workflow": "inference", "overrides": {"device": "cpu"}}]}
    (tmp_path / "runs.yaml").write_text(yaml.safe_dump(spec))
    found = list(verify(root, tmp_path / "work", runs=tmp_path / "runs.yaml"))
    assert not [f for f in found if f.level == "error"]
    assert {f.check for f in found if f.level == "ok"} >= {"network", "torchscript", "run", "properties"}
    assert any("random weights" in f.text for f in found)
    # without overrides nothing is run, and that is said
    found = list(verify(root, tmp_path / "work"))
    assert any(f.level == "skipped" and "--runs" in f.text for f in found)
    SOMEBODYS.pop("inferer")
    (root / "configs" / "inference.json").write_text(json.dumps(SOMEBODYS))
    assert any(f.level == "error" and "inferer" in f.text for f in verify(root, tmp_path / "work"))


def test_runs_of_another_form_and_a_folder_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs.yaml").write_text("runs: [{run_id: run}]")
    with pytest.raises(ValueError, match="'runs' of mappings"):
        read_runs(tmp_path / "runs.yaml", {})
    assert main(["verify_bundle", str(tmp_path / "none")]) == 2
    assert "no folder" in capsys.readouterr().err


def _no_runs(tmp_path: Path) -> Path:
    (tmp_path / "no_runs.yaml").write_text("runs: []")
    return tmp_path / "no_runs.yaml"
