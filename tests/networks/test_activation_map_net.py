from __future__ import annotations

import pytest
import torch
from monai.networks.nets import resnet18
from monai.visualize import CAM

from monai_tbkd.networks import ActivationMapNet, AverageMapPool, hold_batch_statistics


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(("stride", "cells"), [(32, 2), (16, 4), (8, 8)])
@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
def test_output_stride_sets_the_size_of_the_map(backbone: str, stride: int, cells: int) -> None:
    net = ActivationMapNet(backbone, num_classes=3, output_stride=stride, width=0.25)
    assert net(torch.rand(2, 3, 64, 64)).shape == (2, 3, cells, cells)


@pytest.mark.parametrize("stride", [16, 8])
@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
def test_dilation_keeps_what_the_strided_network_computes(backbone: str, stride: int) -> None:
    # Every cell of the strided map looks at the same pixels as the cell of the finer map that lies on it.
    coarse = ActivationMapNet(backbone, num_classes=1, output_stride=32, width=0.125).eval()
    fine = ActivationMapNet(backbone, num_classes=1, output_stride=stride, width=0.125).eval()
    fine.load_state_dict(coarse.state_dict())
    x = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        torch.testing.assert_close(fine(x)[..., :: 32 // stride, :: 32 // stride], coarse(x), rtol=1e-4, atol=1e-5)


def test_map_equals_monai_cam_and_its_mean_the_logit() -> None:
    net = ActivationMapNet("resnet18", num_classes=2, width=0.25).eval()
    oracle = resnet18(
        spatial_dims=2,
        n_input_channels=3,
        conv1_t_stride=2,
        bias_downsample=False,
        num_classes=2,
        widen_factor=0.25,
    ).eval()
    state = {k.removeprefix("backbone."): v for k, v in net.state_dict().items() if k.startswith("backbone.")}
    state["fc.weight"] = net.head.weight[:, :, 0, 0].detach()
    state["fc.bias"] = net.head.bias.detach() + 0.3
    net.head.bias.data += 0.3
    oracle.load_state_dict(state)
    cam = CAM(oracle, target_layers="layer4", fc_layers="fc", postprocessing=lambda x: x)
    x = torch.rand(3, 3, 96, 96)
    with torch.no_grad():
        own = net(x)
        torch.testing.assert_close(cam.compute_map(x, class_idx=[1, 1, 1]), own[:, 1:2], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(AverageMapPool()(own), oracle(x), rtol=1e-4, atol=1e-5)


def test_torchvision_key_layout() -> None:
    # torchvision's resnet50 has 320 entries in its state dict, 318 of them in the backbone.
    keys = set(ActivationMapNet("resnet50", width=0.125).backbone.state_dict())
    assert len(keys) == 318
    named = {"conv1.weight", "bn1.running_var", "layer1.0.downsample.0.weight", "layer4.2.bn3.num_batches_tracked"}
    assert named <= keys
    assert not any(k.endswith("downsample.0.bias") for k in keys)


def test_stride_in_1x1_moves_the_stride_and_changes_the_map() -> None:
    first = ActivationMapNet("resnet50", width=0.125, stride_in_1x1=True).eval()
    second = ActivationMapNet("resnet50", width=0.125).eval()
    second.load_state_dict(first.state_dict())
    for stage in (first.backbone.layer2, first.backbone.layer3, first.backbone.layer4):
        assert (stage[0].conv1.stride, stage[0].conv2.stride) == ((2, 2), (1, 1))
    with torch.no_grad():
        x = torch.rand(1, 3, 64, 64)
        assert first(x).shape == second(x).shape
        assert not torch.allclose(first(x), second(x))
    with pytest.raises(ValueError, match="resnet50"):
        ActivationMapNet("resnet18", stride_in_1x1=True)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"backbone": "vgg"}, "resnet18"),
        ({"num_classes": 0}, "num_classes"),
        ({"output_stride": 4}, "output_stride"),
    ],
)
def test_bad_arguments_name_what_is_expected(arguments: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        ActivationMapNet(**arguments)


def test_statistics_stay_while_weights_learn() -> None:
    net = ActivationMapNet("resnet18", num_classes=1, width=0.125, last_stage="layer2", output_stride=8)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    handle = hold_batch_statistics(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    for _ in range(2):
        net.train()
        net(torch.rand(2, 3, 32, 32)).sum().backward()
        optimizer.step()
    after = net.state_dict()
    held = [k for k in before if "running" in k or "num_batches" in k]
    assert held and all(torch.equal(before[k], after[k]) for k in held)
    assert not torch.equal(before["backbone.bn1.weight"], after["backbone.bn1.weight"])
    handle.remove()
    net.train()
    net(torch.rand(2, 3, 32, 32))
    assert not torch.equal(before["backbone.bn1.running_mean"], net.state_dict()["backbone.bn1.running_mean"])
