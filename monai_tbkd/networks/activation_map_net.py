"""A classifier whose forward pass returns its class activation map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from monai_tbkd.networks.backbone import make_backbone, stage_features
from monai_tbkd.networks.weights import load_backbone_weights


class ActivationMapNet(nn.Module):
    """A fully convolutional network that returns the class activation map in logits.

    The head is a 1x1 convolution on the last feature map. With average pooling this is global average pooling, a linear
    layer and CAM (Zhou et al., CVPR 2016, https://arxiv.org/abs/1512.04150), bias included.

    Args:
        backbone: ``"resnet18"``, ``"resnet34"`` or ``"resnet50"``, MONAI's (their keys are torchvision's), or
            ``"efficientnet_lite0"``.
        num_classes: channels C of the map. 1 stands for one logit, TB against the rest.
        in_channels: channels of the image, 3 for weights from ImageNet (the gray channel repeated).
        output_stride: pixels of the input per cell of the map: 32, 16 or 8 (dilation in place of stride; of
            EfficientNet-Lite0 the last features are interpolated).
        width: widening factor of every stage of a ResNet (not with pretrained weights).
        stride_in_1x1: a bottleneck strides in its first 1x1 convolution (He et al. 2015, "v1") instead of its 3x3 one
            (torchvision's "v1.5"). It has to be as the weights were trained.
        weights: path of a state dict for the backbone, see :func:`load_backbone_weights`; None or ``"random"`` starts
            from scratch.
        last_stage: stage that the map is made from: ``"layer4"`` (output stride 32 or finer), ``"layer3"`` (16 or
            finer) or ``"layer2"`` (8). An earlier stage has a smaller receptive field.
        frozen_statistics: batch norms keep the statistics that they were loaded with: for small batches.

    Example:
        >>> net = ActivationMapNet("resnet18", num_classes=2, output_stride=16)
        >>> net(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 2, 4, 4])
    """

    def __init__(
        self,
        backbone: str = "resnet50",
        num_classes: int = 2,
        in_channels: int = 3,
        output_stride: int = 32,
        width: float = 1.0,
        stride_in_1x1: bool = False,
        last_stage: str = "layer4",
        weights: str | Path | None = None,
        frozen_statistics: bool = False,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}; expected 1 (one logit), 2 or more.")
        self.architecture = {
            "network_class": "ActivationMapNet",
            "backbone": backbone,
            "num_classes": num_classes,
            "in_channels": in_channels,
            "output_stride": output_stride,
            "width": width,
            "stride_in_1x1": stride_in_1x1,
            "last_stage": last_stage,
        }
        self.frozen_statistics = frozen_statistics
        self.backbone, self.stage_channels = make_backbone(
            backbone, output_stride, in_channels, width, stride_in_1x1, last_stage
        )
        self.head = nn.Conv2d(self.stage_channels[-1], num_classes, kernel_size=1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        self.weights = weights
        if weights and weights != "random":
            load_backbone_weights(self.backbone, weights)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Normalized images ``(B, in_channels, H, W)`` to maps ``(B, num_classes, ceil(H / stride), ...)``."""
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self.head(stage_features(self.backbone, image)[-1])  # type: ignore[no-any-return]
        # the same: `ckpt_export` scripts networks, and a script cannot pass on a module
        if not hasattr(self.backbone, "maxpool"):  # EfficientNet-Lite0
            return self.head(self.backbone.features(image)[-1])  # type: ignore[no-any-return]
        x = self.backbone.maxpool(self.backbone.act(self.backbone.bn1(self.backbone.conv1(image))))
        x = self.backbone.layer3(self.backbone.layer2(self.backbone.layer1(x)))
        return self.head(self.backbone.layer4(x))  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> ActivationMapNet:
        """Set training mode; frozen statistics stay as they are."""
        super().train(mode)
        if self.frozen_statistics:
            _hold(self)
        return self


def hold_batch_statistics(network: nn.Module) -> RemovableHandle:
    """Keep the running statistics of batch norms from the next forward pass on; their weights go on learning.

    For fine-tuning on few images. Returns a handle whose ``remove()`` ends it.
    """
    return network.register_forward_pre_hook(_hold)


def _hold(network: nn.Module, *_: Any) -> None:
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
