"""What a teacher may see of a film: views that leave the geometry as it is."""

from __future__ import annotations

import torch
from torch import nn


class FrameMaskView(nn.Module):
    """Blank the outer frame of a film, where side letters, text and collimation edges are.

    A teacher that cannot see the frame cannot learn from it; the student, which sees the whole film, learns from such
    a teacher where to look.

    Args:
        margin: width of the blanked frame as a share of height and width: one number, or (top, right, bottom, left).
        fill: value inside the frame, in the units of the normalized film (0 is the mean).

    Raises:
        ValueError: a margin that leaves no film.

    Example:
        >>> FrameMaskView(margin=0.25)(torch.ones(1, 1, 4, 4)).sum()
        tensor(4.)
    """

    def __init__(self, margin: float | tuple[float, float, float, float] = 0.1, fill: float = 0.0) -> None:
        super().__init__()
        sides = (margin,) * 4 if isinstance(margin, (int, float)) else tuple(margin)
        if len(sides) != 4 or min(sides) < 0 or sides[0] + sides[2] >= 1 or sides[1] + sides[3] >= 1:
            raise ValueError(f"margin is {margin}; expected one share or (top, right, bottom, left), below half each.")
        self.top, self.right, self.bottom, self.left = (float(s) for s in sides)
        self.fill = float(fill)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Films ``(B, C, H, W)`` with their frame at ``fill``."""
        h, w = image.shape[-2], image.shape[-1]
        y0, y1 = int(round(self.top * h)), h - int(round(self.bottom * h))
        x0, x1 = int(round(self.left * w)), w - int(round(self.right * w))
        seen = torch.full_like(image, self.fill)
        seen[..., y0:y1, x0:x1] = image[..., y0:y1, x0:x1]
        return seen


class ViewedNet(nn.Module):
    """A network that looks at films through a view.

    The view must not move anything, so that its map lies on the same grid as any other map of the film.

    Args:
        network: from films ``(B, C, H, W)`` to maps ``(B, K, h, w)``.
        view: from films to films of the same shape; None looks at the film as it is.
    """

    def __init__(self, network: nn.Module, view: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self.view = nn.Identity() if view is None else view

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(self.view(image))  # type: ignore[no-any-return]
