from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from monai_tbkd.networks import ActivationMapNet, FrameMaskView, SymmetricMapNet, ViewedNet
from monai_tbkd.robustness.saliency_sanity import (
    SaliencySanity,
    cascading_randomization,
    mask_iou,
    rank_correlation,
    stages_from_head,
    structural_similarity,
)

RNG = np.random.default_rng(0)
MAPS, OTHERS = RNG.random((4, 12, 12)), RNG.random((4, 12, 12))


@pytest.fixture
def network() -> ActivationMapNet:
    torch.manual_seed(0)
    return ActivationMapNet("resnet18", num_classes=1, width=0.125, output_stride=8, last_stage="layer2").eval()


def test_each_stage_changes_the_map_and_the_network_stays(network: ActivationMapNet) -> None:
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    weights = {k: v.clone() for k, v in network.state_dict().items()}
    with torch.no_grad():
        maps = [network(images)]
        names = []
        for name, changed in cascading_randomization(network):
            names.append(name)
            maps.append(changed(images).clone())
        again = [changed(images).clone() for _, changed in cascading_randomization(network)]
    assert names == ["head", "layer2", "layer1", "stem"]  # what lies above layer2 is not there
    for before, after in pairwise(maps):
        assert not torch.allclose(before, after)
    assert all(torch.equal(a, b) for a, b in zip(maps[1:], again, strict=True))
    assert all(torch.equal(v, weights[k]) for k, v in network.state_dict().items())
    assert torch.equal(network(images), maps[0])


def test_stages_below_the_randomized_ones_keep_their_weights(network: ActivationMapNet) -> None:
    cascade = cascading_randomization(network)
    _, changed = next(cascade)
    own, other = network.state_dict(), changed.state_dict()
    differing = {key.split(".")[0] for key in own if not torch.equal(own[key], other[key])}
    assert differing == {"head"}
    next(cascade)
    differing = {
        key.split(".")[1] for key in own if key.startswith("backbone") and not torch.equal(own[key], other[key])
    }
    assert "layer2" in differing
    assert not differing & {"layer1", "conv1"}


def test_no_chance_of_others_is_used_up(network: ActivationMapNet) -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    list(cascading_randomization(network))
    assert torch.equal(torch.rand(1), expected)


def test_a_network_is_found_behind_its_view(network: ActivationMapNet) -> None:
    viewed = ViewedNet(network, FrameMaskView(0.1))
    assert [name for name, _ in stages_from_head(viewed)] == ["head", "layer2", "layer1", "stem"]
    symmetric = SymmetricMapNet("resnet18", components=4, width=0.125)
    assert [name for name, _ in stages_from_head(symmetric)] == [
        "head", "reduction", "layer4", "layer3", "layer2", "layer1", "stem"
    ]  # fmt: skip
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    maps = [symmetric.eval()(images), *(changed(images) for _, changed in cascading_randomization(symmetric))]
    assert not any(torch.allclose(before, after) for before, after in pairwise(maps))
    with pytest.raises(ValueError, match="Conv2d holds no ActivationMapNet or SymmetricMapNet"):
        stages_from_head(nn.Conv2d(1, 1, 1))
    with pytest.raises(ValueError, match="give student"):
        SaliencySanity(repeats=["model.pt"])


def test_a_map_that_ignores_its_weights_is_found_out(network: ActivationMapNet) -> None:
    """A map that only shows the image's edges, whatever was learned, keeps its order under randomization."""

    class EdgesOnly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return nn.functional.avg_pool2d(image[:, :1].diff(dim=-1, prepend=image[:, :1, :, :1]).abs(), 8)

    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        edges = EdgesOnly()
        honest, blind = (
            [
                rank_correlation(net(images)[:, 0].numpy(), changed(images)[:, 0].numpy()).mean()
                for _, changed in cascade
            ]
            for net, cascade in (
                (network, cascading_randomization(network)),
                (edges, cascading_randomization(edges)),
            )
        )
    assert np.allclose(blind, 1.0)
    assert honest[-1] < 0.8


def test_ranks_are_scipys() -> None:
    ties = OTHERS.round(1)
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(MAPS, ties, strict=True)]
    np.testing.assert_allclose(rank_correlation(MAPS, ties), expected, atol=1e-12)
    assert rank_correlation(MAPS, np.zeros_like(MAPS)).tolist() == [0.0] * 4


def test_similarity_falls_with_noise_and_knows_no_scale() -> None:
    np.testing.assert_allclose(structural_similarity(MAPS, MAPS * 5 - 2), 1.0, atol=1e-5)
    smooth = np.add.outer(np.sin(np.arange(12) / 3), np.cos(np.arange(12) / 4))[None].repeat(4, axis=0)
    noise = [structural_similarity(smooth, smooth + s * MAPS).mean() for s in (0.0, 0.3, 1.0, 5.0)]
    assert noise == sorted(noise, reverse=True)
    assert noise[-1] < 0.5


def test_overlap_by_hand() -> None:
    one, other = np.zeros((3, 2, 2), dtype=bool), np.zeros((3, 2, 2), dtype=bool)
    one[0, 0] = other[0, :, 0] = True  # one cell of three
    one[1, 0, 0] = True
    np.testing.assert_allclose(mask_iou(one, other), [1 / 3, 0.0, np.nan])
