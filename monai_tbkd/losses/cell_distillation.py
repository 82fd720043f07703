"""Distillation of what a teacher says of each place of a film."""

from __future__ import annotations

import torch
from torch import nn

from monai_tbkd.losses.map_size import at_coarser_size, refuse_other_classes
from monai_tbkd.networks.log_odds import as_two_or_more


class CellDistillationLoss(nn.Module):
    """Kullback-Leibler divergence of the student's from the teacher's class probabilities by cell, times T squared.

    Hinton's distillation of each cell's logits, as pixel-wise distillation of segmentation networks has it: the student
    learns where and how strongly, in contrast to :class:`~monai_tbkd.losses.MapDistillationLoss`, to which the strength
    is nothing. 0 with gradient 0 where both agree. Source: Liu et al., "Structured Knowledge Distillation for Semantic
    Segmentation", CVPR 2019, https://arxiv.org/abs/1903.04197 (its pixel-wise term).

    Args:
        temperature: T, above 0.

    Raises:
        ValueError: T is not above 0.

    Example:
        >>> loss, maps = CellDistillationLoss(), torch.zeros(1, 1, 2, 2)
        >>> float(loss(maps, maps))
        0.0
    """

    inputs = ("map", "teacher_map")

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; expected above 0.")
        self.temperature = float(temperature)

    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """Mean over films and cells.

        Args:
            student: maps ``(B, C, h, w)`` in logits; one channel is one logit against 0.
            teacher: maps ``(B, C, h', w')`` in logits, without gradient. Different sizes meet at the coarser.

        Returns:
            A scalar, at least 0.

        Raises:
            ValueError: batch or classes differ.
        """
        refuse_other_classes(student, teacher)
        s, t = (as_two_or_more(x) / self.temperature for x in at_coarser_size(student, teacher.detach()))
        q, log_p = t.softmax(dim=1), s.log_softmax(dim=1)
        divergence = torch.xlogy(q, q) - q * log_p  # (B, C, h, w); xlogy(0, 0) is 0
        return divergence.sum(dim=1).mean() * self.temperature**2
