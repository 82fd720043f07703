from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_tbkd.networks import ActivationMapNet, AverageMapPool, FrameMaskView, LogSumExpMapPool
from monai_tbkd.networks.checkpoint import write_checkpoint
from monai_tbkd.networks.trained_network import describe_module, hash_of_file, load_trained


@pytest.fixture
def net() -> ActivationMapNet:
    torch.manual_seed(0)
    return ActivationMapNet("resnet18", num_classes=1, width=0.125)


def test_a_module_in_a_line() -> None:
    assert describe_module(None) == "none"
    assert describe_module(AverageMapPool()) == "AverageMapPool()"
    described = describe_module(FrameMaskView(0.25))
    assert described == "FrameMaskView(top=0.25, right=0.25, bottom=0.25, left=0.25, fill=0.0)"


def test_inference_refuses_settings_under_which_scores_would_be_wrong(net: ActivationMapNet, tmp_path: Path) -> None:
    settings = {"image_size": 64, "pooling": "LogSumExpMapPool(r=2.0)"}
    write_checkpoint(net, tmp_path / "model.pt", {"epochs": 1, "settings": settings})
    load_trained(net, tmp_path / "model.pt", LogSumExpMapPool(2.0), 64)
    with pytest.raises(ValueError, match=r"image_size 64 \(here 128\).*AverageMapPool"):
        load_trained(net, tmp_path / "model.pt", AverageMapPool(), 128)
    (tmp_path / "model.json").unlink()  # a published model has no record
    load_trained(net, tmp_path / "model.pt", AverageMapPool(), 128)


def test_inference_refuses_another_preprocessing(net: ActivationMapNet, tmp_path: Path) -> None:
    (tmp_path / "lungs.pt").write_bytes(b"1")
    own = {"image_size": 64, "lung_crop": True, "film_size": 512, "lung_weights": str(tmp_path / "lungs.pt")}
    pooling = LogSumExpMapPool(2.0)
    settings = {**own, "lung_weights_sha256": hash_of_file(own["lung_weights"]), "pooling": describe_module(pooling)}
    write_checkpoint(net, tmp_path / "model.pt", {"epochs": 1, "settings": settings})
    same = {key: own[key] for key in ("lung_crop", "film_size", "lung_weights")}
    load_trained(net, tmp_path / "model.pt", pooling, 64, same)
    for key, value in (("lung_crop", False), ("film_size", 256), ("lung_weights", None)):
        with pytest.raises(ValueError, match=key):
            load_trained(net, tmp_path / "model.pt", pooling, 64, {**same, key: value})
