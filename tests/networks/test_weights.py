from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_tbkd.networks import ActivationMapNet, load_backbone_weights, load_checkpoint
from monai_tbkd.networks.weights import load_plain, save_plain
from monai_tbkd.packaging.plain_errors import plain_cause


@pytest.fixture
def small() -> ActivationMapNet:
    return ActivationMapNet("resnet18", num_classes=2, width=0.125)


def torchvision_like(net: ActivationMapNet, path: Path, **extra: torch.Tensor) -> Path:
    state = {**net.backbone.state_dict(), "fc.weight": torch.zeros(1000, 64), "fc.bias": torch.zeros(1000), **extra}
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, path)
    return path


def test_half_precision_weights_load_and_the_classifier_is_left(small: ActivationMapNet, tmp_path: Path) -> None:
    path = torchvision_like(ActivationMapNet("resnet18", width=0.125), tmp_path / "w.pt")
    report = load_backbone_weights(small.backbone, path)
    assert report.unused == ["fc.bias", "fc.weight"]
    assert len(report.loaded) == len(small.backbone.state_dict())
    assert torch.equal(small.backbone.conv1.weight.half(), torch.load(path)["conv1.weight"])


def test_missing_key_is_refused(small: ActivationMapNet, tmp_path: Path) -> None:
    state = small.backbone.state_dict()
    del state["layer3.0.conv1.weight"]
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"another architecture.*layer3\.0\.conv1\.weight"):
        load_backbone_weights(small.backbone, tmp_path / "w.pt")


def test_checkpoint_of_another_width_is_refused_with_both_shapes(small: ActivationMapNet, tmp_path: Path) -> None:
    torch.save(ActivationMapNet("resnet18", num_classes=2, width=0.25).state_dict(), tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"w\.pt.*another architecture.*\(16, 3, 7, 7\), not \(8, 3, 7, 7\)"):
        load_checkpoint(small, tmp_path / "w.pt")


def test_damaged_and_absent_files(small: ActivationMapNet, tmp_path: Path) -> None:
    torch.save(small.state_dict(), tmp_path / "w.pt")
    whole = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "half.pt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pt").write_text("not weights")
    for name in ("half.pt", "text.pt"):
        with pytest.raises(ValueError, match=f"{name} can't be read"):
            load_checkpoint(small, tmp_path / name)
    with pytest.raises(FileNotFoundError, match="absent"):
        load_checkpoint(small, tmp_path / "absent.pt")


def test_real_imagenet_weights_fit_key_for_key(real_weights: Path) -> None:
    net = ActivationMapNet("resnet50", stride_in_1x1=True)
    report = load_backbone_weights(net.backbone, real_weights)
    assert report.unused == ["fc.bias", "fc.weight"]
    assert len(report.loaded) == 318


def test_weights_of_a_deeper_network_are_refused(tmp_path: Path) -> None:
    path = torchvision_like(ActivationMapNet("resnet34", width=0.125), tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"another architecture.*unknown to the network"):
        load_backbone_weights(ActivationMapNet("resnet18", width=0.125).backbone, path)


def test_stages_that_the_map_does_without_stay_behind(tmp_path: Path) -> None:
    path = torchvision_like(ActivationMapNet("resnet18", width=0.125), tmp_path / "w.pt")
    cut = ActivationMapNet("resnet18", width=0.125, last_stage="layer3", output_stride=16)
    report = load_backbone_weights(cut.backbone, path)
    assert {k.split(".")[0] for k in report.unused} == {"fc", "layer4"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    save_plain({"a": torch.ones(3)}, path)
    (tmp_path / "model.pt.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: .*model.pt'") as raised:
        save_plain({"a": torch.zeros(300_000), "b": torch.zeros(3)}, path)
    assert plain_cause(raised.value) is raised.value
    assert torch.equal(load_plain(path)["a"], torch.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == ["model.pt"]
