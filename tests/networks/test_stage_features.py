from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_tbkd.networks import ActivationMapNet, ViewedNet
from monai_tbkd.networks.stage_features import StageFeatures


def net() -> ActivationMapNet:
    return ActivationMapNet("resnet18", num_classes=1, width=0.125, last_stage="layer3", output_stride=16).eval()


def hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in network.modules())


def test_stages_are_found_by_the_end_of_their_names_and_kept_in_order() -> None:
    own, film = net(), torch.rand(2, 3, 64, 64)
    with StageFeatures(ViewedNet(own), ["layer3", "layer2"]) as caught:
        own(film)
    layer3, layer2 = caught.features()
    assert torch.equal(layer3, own.features(film))
    assert layer2.shape == (2, 16, 8, 8)


def test_hooks_are_gone_afterwards_even_after_an_error() -> None:
    own = net()
    with pytest.raises(RuntimeError, match="stopped"), StageFeatures(own, ["layer2"]):
        assert hooks(own) == 1
        raise RuntimeError("stopped")
    assert hooks(own) == 0


def test_a_network_that_looks_twice_has_no_one_feature_map() -> None:
    own, film = net(), torch.rand(1, 3, 64, 64)
    with StageFeatures(own, ["layer2"]) as caught:
        own(film)
        own(film)
    with pytest.raises(ValueError, match="layer2 ran 2 times"):
        caught.features()


@pytest.mark.parametrize(
    ("stage", "message"),
    [("layer9", "names 0 modules"), ("conv1", "names 7 modules"), ("layer4", "is not in use")],
)
def test_stages_that_cannot_be_told(stage: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StageFeatures(net(), [stage]).__enter__()
