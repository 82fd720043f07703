"""Distillation of activation maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class MapDistillationLoss(nn.Module):
    """Squared distance of the student's from the teacher's activation maps, each scaled to unit length.

    Class attention transfer: where the teacher looks for a class, the student shall look, however strongly. Maps of
    different size meet at the coarser of the two. Source: Guo et al., "Class Attention Transfer Based Knowledge
    Distillation" (CAT-KD), CVPR 2023, https://arxiv.org/abs/2304.12777.

    Args:
        center: subtract each map's mean first, so that only the place counts and not the general level. CAT-KD
            works on maps after ReLU features; a map in logits may be negative everywhere on a film without disease.

    Example:
        >>> loss = MapDistillationLoss()
        >>> maps = torch.randn(2, 1, 4, 4)
        >>> float(loss(3 * maps, maps)) < 1e-6
        True
    """

    def __init__(self, center: bool = True) -> None:
        super().__init__()
        self.center = center

    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """Mean over films and classes.

        Args:
            student: maps ``(B, C, h, w)`` in logits.
            teacher: maps ``(B, C, h', w')`` in logits, without gradient.

        Returns:
            A scalar between 0 (same place) and 4 (opposite).

        Raises:
            ValueError: batch or classes differ.
        """
        if student.shape[:2] != teacher.shape[:2]:
            raise ValueError(
                f"Student maps are {tuple(student.shape)} and teacher maps {tuple(teacher.shape)}; "
                "films and classes have to be the same."
            )
        size = (min(student.shape[-2], teacher.shape[-2]), min(student.shape[-1], teacher.shape[-1]))
        s, t = (self._unit(_at_size(x, size)) for x in (student, teacher.detach()))
        return (s - t).square().sum(dim=-1).mean()

    def _unit(self, maps: torch.Tensor) -> torch.Tensor:
        x = maps.flatten(-2)  # (B, C, h * w)
        if self.center:
            x = x - x.mean(dim=-1, keepdim=True)
        return F.normalize(x, dim=-1, eps=1e-6)


def _at_size(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    height, width = maps.shape[-2:]
    if height % size[0] == 0 and width % size[1] == 0:
        return maps[..., :: height // size[0], :: width // size[1]]
    return F.adaptive_avg_pool2d(maps, size)
