"""A stand-in for torchvision, where it is not installed: its ResNet-50 by plain PyTorch, and names that are not called.

Layers, names and sizes are those of ``torchvision.models.resnet50``; nothing else of torchvision is imported, so that
the programs beside this file start sooner and take less memory than with the real one.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import torch
from torch import nn


class Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        changes = stride != 1 or channels != out
        shortcut = (nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)) if changes else ()
        self.downsample = nn.Sequential(*shortcut) if changes else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))  # type: ignore[no-any-return]


class ResNet50(nn.Module):
    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        channels = 64
        for number, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), 1):
            layer = []
            for i in range(blocks):
                layer.append(Bottleneck(channels, width, 2 if i == 0 and number > 1 else 1))
                channels = 4 * width
            setattr(self, f"layer{number}", nn.Sequential(*layer))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(channels, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(self.avgpool(x).flatten(1))  # type: ignore[no-any-return]


def install() -> None:
    """Put it in the place of torchvision."""

    def absent(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("torchvision is not installed; this benchmark does without.")

    names = {"torchvision": {}, "torchvision.models": {"resnet50": ResNet50}, "torchvision.ops": {"box_iou": absent},
             "torchvision.transforms": dict.fromkeys(("Compose", "Normalize", "ToTensor"), absent),
             "torchvision.transforms.functional": {"resize": absent}}  # fmt: skip
    for name, attributes in names.items():
        module = sys.modules.setdefault(name, types.ModuleType(name))
        for attribute, value in attributes.items():
            setattr(module, attribute, value)
