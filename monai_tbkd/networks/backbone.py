"""Backbones by their names, and their features where the map's cells look."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks.nets import resnet18, resnet34, resnet50
from torch import nn

from monai_tbkd.networks.efficientnet_lite import CHANNELS, EfficientNetLite0
from monai_tbkd.networks.output_stride import OUTPUT_STRIDES, set_output_stride, stride_in_first_convolution

LITE = "efficientnet_lite0"
_RESNETS = {"resnet18": resnet18, "resnet34": resnet34, "resnet50": resnet50}
BACKBONES = (*_RESNETS, LITE)
_STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
_NATURAL_STRIDE = {"layer2": 8, "layer3": 16, "layer4": 32}


def make_backbone(
    name: str,
    output_stride: int,
    in_channels: int = 3,
    width: float = 1.0,
    stride_in_1x1: bool = False,
    last_stage: str = "layer4",
) -> tuple[Any, list[int]]:
    """Make a backbone with random weights.

    Args:
        name: one of `BACKBONES`.
        output_stride: as of :class:`~monai_tbkd.networks.ActivationMapNet`.
        in_channels: the same.
        width: the same.
        stride_in_1x1: the same.
        last_stage: the same.

    Returns:
        The backbone, and the channels of its `stage_features`.

    Raises:
        ValueError: an unknown backbone, or an option that it does not know.
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
    backbone = _RESNETS[name](
        spatial_dims=2,
        n_input_channels=in_channels,
        conv1_t_stride=2,  # MONAI's default of 1 costs four times the time and does not fit ImageNet weights
        bias_downsample=False,
        feed_forward=False,
        widen_factor=width,
    )
    if stride_in_1x1:
        stride_in_first_convolution(backbone)
    set_output_stride(backbone, output_stride)
    used = _STAGES.index(last_stage)
    deep = int(64 * 2 ** (used - 1) * width) * backbone.layer1[0].expansion
    for stage in _STAGES[used + 1 :]:
        setattr(backbone, stage, nn.Identity())
    return backbone, [deep // 2, deep]


def stage_features(backbone: Any, image: torch.Tensor) -> list[torch.Tensor]:
    """Features of the last stages, each ``(B, F, h, w)``; cell ``(i, j)`` looks at pixel ``output_stride * (i, j)``.

    Of a ResNet these are layer3 and layer4, of EfficientNet-Lite0 those of each stride from the output stride on.

    Args:
        backbone: of `make_backbone`.
        image: ``(B, C, H, W)``, normalized.
    """
    if isinstance(backbone, EfficientNetLite0):
        return backbone.features(image)
    x = backbone.conv1(image)
    x = backbone.bn1(x)
    x = backbone.act(x)
    x = backbone.maxpool(x)
    x = backbone.layer1(x)
    x = backbone.layer2(x)
    shallow = backbone.layer3(x)
    return [shallow, backbone.layer4(shallow)]
