"""Backbones by name; their features come on a grid whose cell ``i`` lies on pixel ``output_stride * i``."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks.nets import ResNet
from monai.networks.nets.resnet import get_inplanes
from torch import nn

from monai_tbkd.networks.efficientnet_lite import CHANNELS, EfficientNetLite0

LITE = "efficientnet_lite0"
_RESNETS = {
    "resnet18": ("basic", [2, 2, 2, 2]),
    "resnet34": ("basic", [3, 4, 6, 3]),
    "resnet50": ("bottleneck", [3, 4, 6, 3]),
}
BACKBONES = (*_RESNETS, LITE)
OUTPUT_STRIDES = (32, 16, 8)
_STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
_NATURAL_STRIDE = {"layer2": 8, "layer3": 16, "layer4": 32}


class StagedResNet(ResNet):
    """MONAI's ResNet, with the features of its last two stages."""

    def features(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Features of layer3 and layer4 of normalized images ``(B, C, H, W)``, each ``(B, F, h, w)``."""
        x = self.maxpool(self.act(self.bn1(self.conv1(image))))
        shallow = self.layer3(self.layer2(self.layer1(x)))
        return [shallow, self.layer4(shallow)]


def make_backbone(
    name: str,
    output_stride: int,
    in_channels: int = 3,
    width: float = 1.0,
    stride_in_1x1: bool = False,
    last_stage: str = "layer4",
) -> tuple[Any, list[int]]:
    """Make a backbone with random weights; returns it with the channels of its ``features``.

    Arguments are as of :class:`~monai_tbkd.networks.ActivationMapNet`; an option that it does not have is a ValueError.
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone is {name!r}; expected one of {', '.join(BACKBONES)}.")
    if not isinstance(stride_in_1x1, bool):
        raise ValueError(f"stride_in_1x1 is {stride_in_1x1!r}; expected True or False.")
    if last_stage not in _NATURAL_STRIDE or output_stride > _NATURAL_STRIDE[last_stage]:
        raise ValueError(
            f"last_stage is {last_stage!r} with output_stride {output_stride}; expected one of "
            f"{', '.join(f'{k} (output stride {v} or finer)' for k, v in _NATURAL_STRIDE.items())}."
        )
    if output_stride not in OUTPUT_STRIDES:
        raise ValueError(f"output_stride is {output_stride}; expected one of {OUTPUT_STRIDES}.")
    if name == LITE:
        if width != 1.0 or stride_in_1x1 or in_channels != 3:
            raise ValueError(
                f"{LITE} with width {width}, stride_in_1x1 {stride_in_1x1} and in_channels {in_channels}; it has one "
                "form: width 1, stride_in_1x1 false and in_channels 3."
            )
        deepest = _NATURAL_STRIDE[last_stage]
        return EfficientNetLite0(output_stride, last_stage), [
            channels for stride, channels in CHANNELS.items() if output_stride <= stride <= deepest
        ]
    block, layers = _RESNETS[name]
    backbone = StagedResNet(
        block,
        layers,
        get_inplanes(),
        spatial_dims=2,
        n_input_channels=in_channels,
        conv1_t_stride=2,  # MONAI's default of 1 costs four times the time and does not fit ImageNet weights
        bias_downsample=False,
        feed_forward=False,
        widen_factor=width,
    )
    if stride_in_1x1:
        _stride_in_first_convolution(backbone)
    set_output_stride(backbone, output_stride)
    used = _STAGES.index(last_stage)
    deep = int(64 * 2 ** (used - 1) * width) * backbone.layer1[0].expansion
    for stage in _STAGES[used + 1 :]:
        setattr(backbone, stage, nn.Identity())
    return backbone, [deep // 2, deep]


def set_output_stride(backbone: ResNet, output_stride: int) -> None:
    """Give a ResNet of output stride 32 an output stride of 32, 16 or 8, in place, keeping its weights.

    A stage that no longer strides sees its input at twice the resolution it was trained for, so every later 3x3
    convolution is dilated by the stride that was taken away (Yu and Koltun, "Multi-Scale Context Aggregation by
    Dilated Convolutions", ICLR 2016, https://arxiv.org/abs/1511.07122), as torchvision's
    ``replace_stride_with_dilation`` does.
    """
    dilation = 1
    for stage, stride_so_far in ((backbone.layer3, 16), (backbone.layer4, 32)):
        if stride_so_far <= output_stride:
            continue
        before, dilation = dilation, dilation * 2
        for index, block in enumerate(stage):
            first = True  # the first 3x3 convolution still sees the finer input of the stage before
            for module in block.modules():
                if not isinstance(module, nn.Conv2d):
                    continue
                module.stride = (1, 1)
                if module.kernel_size == (3, 3):
                    d = before if index == 0 and first else dilation
                    module.dilation, module.padding = (d, d), (d, d)
                    first = False


def _stride_in_first_convolution(backbone: ResNet) -> None:
    """Move the stride of every bottleneck from its 3x3 to its first 1x1 convolution ("v1"), in place."""
    for stage in (backbone.layer2, backbone.layer3, backbone.layer4):
        block = stage[0]
        if not hasattr(block, "conv3"):
            raise ValueError("stride_in_1x1 is for bottlenecks (resnet50); resnet18 and resnet34 have none.")
        block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
