"""Small networks that are hard for 8 bits, and what is common to tests of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from monai_tbkd.backends import ImageInputNet
from monai_tbkd.backends.exported_net import open_network
from monai_tbkd.backends.int8_quantization import Int8Network
from monai_tbkd.backends.write_network import int8_network
from monai_tbkd.networks import ActivationMapNet, SymmetricMapNet
from tests.conftest import SMALL_NETWORK

SIDE = 64


def small_net(**changes: Any) -> ActivationMapNet:
    torch.manual_seed(0)
    return ActivationMapNet(num_classes=1, **{**SMALL_NETWORK, **changes}).eval()


def mirrored_net() -> SymmetricMapNet:
    """A network that sends an image and its mirror image through the same weights."""
    torch.manual_seed(0)
    return SymmetricMapNet("resnet18", components=8, width=0.25).eval()


@torch.no_grad()
def make_uneven(network: Any) -> None:
    """Spread the channels between the two convolutions of each block over three powers of ten, as some trained networks
    have them; the maps stay the same."""
    random = torch.Generator().manual_seed(1)
    for stage in (network.backbone.layer1, network.backbone.layer2):
        for block in stage:
            factor = 10.0 ** (3.0 * torch.rand(block.bn1.num_features, generator=random) - 1.5)
            block.bn1.weight.mul_(factor)
            block.bn1.bias.mul_(factor)
            block.conv2.weight.div_(factor[None, :, None, None])


def noise(number: int, seed: int = 0) -> list[torch.Tensor]:
    """Images ``(1, 64, 64)`` uint8."""
    random = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (1, SIDE, SIDE), dtype=torch.uint8, generator=random) for _ in range(number)]


def made_ready(network: Any, number: int = 4, fraction: float | None = 0.5) -> Int8Network:
    return int8_network(network, (SIDE, SIDE), noise(number), fraction=fraction)


@torch.no_grad()
def map_error(network: Any, written: Path, runtime: str = "onnxruntime") -> float:
    """Root mean square of the change of the map, of the map's standard deviation."""
    images = torch.stack(noise(3, seed=1))
    exact = ImageInputNet(network)(images)
    return float((open_network(written, runtime)(images) - exact).square().mean().sqrt() / exact.std())
