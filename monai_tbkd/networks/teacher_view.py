"""Views of an image that a teacher gets in its place; they leave the geometry as it is."""

from __future__ import annotations

import torch
from torch import nn


class FrameMaskView(nn.Module):
    """Blank the outer frame of normalized images ``(B, C, H, W)``, where side letters, text and collimation edges are.

    Args:
        margin: width of the frame as a fraction of height and width: one number, or (top, right, bottom, left).
    """

    def __init__(self, margin: float | tuple[float, float, float, float] = 0.1) -> None:
        super().__init__()
        sides = (margin,) * 4 if isinstance(margin, (int, float)) else tuple(margin)
        if len(sides) != 4 or min(sides) < 0 or sides[0] + sides[2] >= 1 or sides[1] + sides[3] >= 1:
            raise ValueError(
                f"margin is {margin}; expected one fraction or (top, right, bottom, left), below half each."
            )
        self.top, self.right, self.bottom, self.left = (float(s) for s in sides)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        h, w = image.shape[-2], image.shape[-1]
        y0, y1 = int(round(self.top * h)), h - int(round(self.bottom * h))
        x0, x1 = int(round(self.left * w)), w - int(round(self.right * w))
        seen = torch.zeros_like(image)
        seen[..., y0:y1, x0:x1] = image[..., y0:y1, x0:x1]
        return seen


class ViewedNet(nn.Module):
    """A network that gets images ``(B, C, H, W)`` through a view; None leaves them as they are."""

    def __init__(self, network: nn.Module, view: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self.view = nn.Identity() if view is None else view

    @property
    def whole_network(self) -> nn.Module:
        """The network without its view."""
        return self.network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(self.view(image))  # type: ignore[no-any-return]
