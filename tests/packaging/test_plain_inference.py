"""The folder that holds inference alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import create_workflow

from monai_tbkd.networks import SymmetricMapNet
from monai_tbkd.networks.checkpoint import write_checkpoint
from monai_tbkd.packaging.bundle_package import write_package
from monai_tbkd.packaging.bundle_runs import LAUNCHER
from monai_tbkd.packaging.model_facts import ModelFacts, read_facts
from tests.bundle.inference_process import environment
from tests.data.good_images import GOOD
from tests.packaging.conftest import NAME
from tests.processes import run_python

FILES, LINES = 78, 7_990
"""How much Python comes along: less is better, and more has to be worth it."""
TURNED = {"whole_image_size": 96, "grid": 64, "min_side": 16, "check_frontal": "off", "num_workers": 0}
FORMATS = ("png16", "jpeg", "dicom", "dicom_rle", "nifti_gz", "metaimage")


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> ModelFacts:
    torch.manual_seed(0)
    checkpoint = tmp_path_factory.mktemp("model") / "model.pt"
    network = SymmetricMapNet("resnet18", components=8, width=0.125)
    write_checkpoint(network, checkpoint, {"stage": "student", "training": {"image_size": 64}})
    return read_facts(checkpoint, phantom=True)


@pytest.fixture(scope="module")
def plain(facts: ModelFacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_package(tmp_path_factory.mktemp("plain") / NAME, facts, [TURNED], torchscript=False)


@pytest.mark.bundle
def test_it_is_short(plain: Path) -> None:
    texts = [path.read_text().splitlines() for path in plain.rglob("*.py")]
    assert len(texts) <= FILES
    assert sum(map(len, texts)) <= LINES
    rooms = {path.parent.name for path in plain.glob("monai_tbkd/*/__init__.py")}
    assert rooms == {"bundle", "data", "engines", "handlers", "networks", "results", "transforms"}


@pytest.mark.bundle
def test_its_config_stands_alone_and_has_no_setting_without_effect(plain: Path) -> None:
    assert {path.name for path in (plain / "configs").iterdir()} == {"inference.json", "metadata.json", "logging.conf"}
    config = json.loads((plain / "configs" / "inference.json").read_text())
    text = json.dumps(config)
    assert "shared(" not in text
    assert config["lung_field"] is None
    for key in config:
        assert key in ("imports", "start", "run", "finalize") or f"@{key}" in text, key
    gone = {"dicom_output", "draw_reports", "threshold_file", "shard", "backend", "precision", "exported_model"}
    assert not gone & set(config)
    assert config["whole_image_size"] == 96
    targets = [step["_target_"].split(".")[-1] for step in config["preprocessing"]["transforms"]]
    assert (targets[0], targets[-1]) == ("LoadImaged", "NormalizeImaged")


@pytest.mark.bundle
def test_its_documents_say_so(plain: Path) -> None:
    readme = (plain / "docs" / "README.md").read_text()
    assert "holds inference alone" in readme
    assert "train.json" not in readme.partition("## MONAI Bundle Commands")[2]
    required = json.loads((plain / "configs" / "metadata.json").read_text())["required_packages_version"]
    assert "itk" not in required
    assert {"pydicom", "python-gdcm", "pytorch-ignite"} <= set(required)


@pytest.mark.bundle
def test_a_setting_of_a_feature_that_it_has_not_is_refused(facts: ModelFacts, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dicom_output: a folder for inference alone has no such setting"):
        write_package(tmp_path / NAME, facts, [{"dicom_output": ["sr"]}])


@pytest.mark.system
def test_stock_monai_runs_it_from_elsewhere_and_it_finds_what_the_full_one_finds(
    plain: Path, facts: ModelFacts, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in FORMATS:
        suffix, write = GOOD[name]
        write(images / f"{name}.{suffix}")
    bundle = Path(shutil.copytree(plain, tmp_path / "moved" / NAME))
    given = {"dataset_dir": images, "map_threshold": 0.5, "score_threshold": 0.0, "threshold_mode": "relative"}

    kept = {key: value for key, value in environment(tmp_path).items() if key != "PYTHONPATH"}
    config = str(bundle / "configs" / "inference.json")
    command = [str(LAUNCHER), str(bundle), "monai.bundle", "run", "--config_file", config]
    words = [str(w) for key, value in {**given, "output_dir": tmp_path / "a"}.items() for w in (f"--{key}", value)]
    done = run_python([*command, *words], tmp_path, kept)
    assert done.status == 3, done.text[-3000:]  # an image failed

    folder = write_package(tmp_path / "full" / NAME, facts, [TURNED], torchscript=False, full=True)
    workflow = create_workflow(
        config_file=str(folder / "configs" / "inference.json"), workflow_type="inference", logging_file=False,
        bundle_root=str(folder), output_dir=str(tmp_path / "b"), progress_bar=False, device="cpu",
        **{key: str(value) if isinstance(value, Path) else value for key, value in given.items()},
    )  # fmt: skip
    workflow.run()

    rows, full = (_rows(tmp_path / name) for name in ("a", "b"))
    assert [row["name"] for row in rows] == sorted(path.name for path in images.iterdir())
    for row, other in zip(rows, full, strict=True):
        if "metaimage" in row["name"]:
            assert (row["status"], row["reason"], other["status"]) == ("failed", "UNSUPPORTED_SYNTAX", "done")
            assert "pip install monai_tbkd" in row["detail"]
        else:
            assert row == other | {"seconds": row["seconds"]}
            assert row["boxes"]
            assert (tmp_path / "a" / "overlays" / f"{row['name'].removesuffix('.png')}.png").is_file()

    turned = run_python([*command, *words, "--dicom_output", "sr"], tmp_path, kept)
    assert turned.status == 1
    assert "there is no setting of this name" in turned.text


def _rows(output_dir: Path) -> list[dict[str, Any]]:
    return json.loads((output_dir / "predictions.json").read_text())["images"]
