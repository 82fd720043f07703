"""Finer maps from a ResNet: dilation in place of stride."""

from __future__ import annotations

from monai.networks.nets import ResNet
from torch import nn

OUTPUT_STRIDES = (32, 16, 8)


def set_output_stride(backbone: ResNet, output_stride: int) -> None:
    """Give a ResNet of output stride 32 an output stride of 32, 16 or 8, in place, keeping its weights.

    A stage that no longer strides sees its input at twice the resolution it was trained for, so every later 3x3
    convolution is dilated by the stride that was taken away (Yu and Koltun, "Multi-Scale Context Aggregation by
    Dilated Convolutions", ICLR 2016, https://arxiv.org/abs/1511.07122); the layout is torchvision's
    ``replace_stride_with_dilation``.

    Args:
        backbone: MONAI's two-dimensional ResNet.
        output_stride: pixels of the input per cell of the last feature map.

    Raises:
        ValueError: another output stride.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise ValueError(f"output_stride is {output_stride}; expected one of {OUTPUT_STRIDES}.")
    dilation = 1
    for stage, stride_so_far in ((backbone.layer3, 16), (backbone.layer4, 32)):
        if stride_so_far <= output_stride:
            continue
        before, dilation = dilation, dilation * 2
        for index, block in enumerate(stage):
            # The first strided convolution still sees the finer input of the stage before, hence its dilation.
            first = True
            for module in block.modules():
                if not isinstance(module, nn.Conv2d):
                    continue
                module.stride = (1, 1)
                if module.kernel_size == (3, 3):
                    d = before if index == 0 and first else dilation
                    module.dilation, module.padding = (d, d), (d, d)
                    first = False


def stride_in_first_convolution(backbone: ResNet) -> None:
    """Move the stride of every bottleneck from its 3x3 to its first 1x1 convolution ("v1"), in place.

    Args:
        backbone: MONAI's ResNet-50, of output stride 32.

    Raises:
        ValueError: the ResNet has no bottlenecks.
    """
    for stage in (backbone.layer2, backbone.layer3, backbone.layer4):
        block = stage[0]
        if not hasattr(block, "conv3"):
            raise ValueError("stride_in_1x1 is for bottlenecks (resnet50); resnet18 and resnet34 have none.")
        block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
