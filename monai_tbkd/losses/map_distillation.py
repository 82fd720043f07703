"""Distillation of activation maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.losses.map_size import at_coarser_size, refuse_other_classes


class MapDistillationLoss(nn.Module):
    """Squared distance of the student's from the teacher's activation maps, each scaled to unit length.

    Class attention transfer: where the teacher looks for a class, the student shall look, however strongly. Maps of
    different size meet at the coarser of the two. Source: Guo et al., "Class Attention Transfer Based Knowledge
    Distillation" (CAT-KD), CVPR 2023, https://arxiv.org/abs/2304.12777. With ``center=False`` and maps of 2 x 2 cells
    this is their published loss times the number of cells: they take the mean over cells, this takes the sum.

    Args:
        center: subtract each map's mean first, so that only the place counts and not the general level. CAT-KD
            works on maps after ReLU features; a map in logits may be negative everywhere on a film without disease.

    Example:
        >>> loss = MapDistillationLoss()
        >>> maps = torch.randn(2, 1, 4, 4)
        >>> float(loss(3 * maps, maps)) < 1e-6
        True
    """

    inputs = ("map", "teacher_map")

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
        refuse_other_classes(student, teacher)
        s, t = (self._unit(maps) for maps in at_coarser_size(student, teacher.detach()))
        return (s - t).square().sum(dim=-1).mean()

    def _unit(self, maps: torch.Tensor) -> torch.Tensor:
        x = maps.flatten(-2)  # (B, C, h * w)
        if self.center:
            x = x - x.mean(dim=-1, keepdim=True)
        return F.normalize(x, dim=-1, eps=1e-6)
