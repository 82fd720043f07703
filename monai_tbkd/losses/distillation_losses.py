"""Losses that compare the network with a teacher: logits, probabilities by cell, or maps whatever their level.

Each is 0 with gradient 0 where both agree.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.networks.cell_positions import at_coarser_size
from monai_tbkd.networks.log_odds import to_two_class_logits


class LogitDistillationLoss(nn.Module):
    """Kullback-Leibler divergence of the student's from the teacher's softened class probabilities, times T squared.

    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015,
    https://arxiv.org/abs/1503.02531.

    Args:
        temperature: T, above 0.
    """

    inputs: tuple[str, ...] = ("logits", "teacher_logits")

    def __init__(self, temperature: float = 4.0) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; expected above 0.")
        self.temperature = float(temperature)

    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """Mean over the batch, of logits ``(B, C)``; one column is one logit against 0."""
        _refuse_other_shape(student, teacher, student.ndim)
        t = self.temperature
        log_p = F.log_softmax(to_two_class_logits(student) / t, dim=1)
        log_q = F.log_softmax(to_two_class_logits(teacher.detach()) / t, dim=1)
        return F.kl_div(log_p, log_q, reduction="batchmean", log_target=True) * t**2


class CellDistillationLoss(LogitDistillationLoss):
    """The same divergence at each cell of the maps: the student learns where and how strongly.

    Source: Liu et al., "Structured Knowledge Distillation for Semantic Segmentation", CVPR 2019,
    https://arxiv.org/abs/1903.04197 (its pixel-wise term).
    """

    inputs = ("map", "teacher_map")

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__(temperature)

    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """Mean over images and cells of maps ``(B, C, h, w)``; different sizes meet at the coarser one."""
        _refuse_other_shape(student, teacher, 2)
        s, t = (to_two_class_logits(x) / self.temperature for x in at_coarser_size(student, teacher.detach()))
        q, log_p = t.softmax(dim=1), s.log_softmax(dim=1)
        divergence = torch.xlogy(q, q) - q * log_p  # (B, C, h, w); xlogy(0, 0) is 0
        return divergence.sum(dim=1).mean() * self.temperature**2


class MapDistillationLoss(nn.Module):
    """Squared distance of the student's from the teacher's maps, each centered and scaled to unit length.

    Class attention transfer: the student learns where, not how strongly. Source: Guo et al., CVPR 2023,
    https://arxiv.org/abs/2304.12777, where maps come after ReLU and are not centered.
    """

    inputs = ("map", "teacher_map")

    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """Mean over images and classes of maps ``(B, C, h, w)``, between 0 (same position) and 4 (opposite)."""
        _refuse_other_shape(student, teacher, 2)
        flat = (maps.flatten(-2) for maps in at_coarser_size(student, teacher.detach()))  # (B, C, h * w)
        s, t = (F.normalize(x - x.mean(dim=-1, keepdim=True), dim=-1, eps=1e-6) for x in flat)
        return (s - t).square().sum(dim=-1).mean()


def _refuse_other_shape(student: torch.Tensor, teacher: torch.Tensor, axes: int) -> None:
    if student.shape[:axes] != teacher.shape[:axes]:
        raise ValueError(
            f"The student's output is {tuple(student.shape)} and the teacher's {tuple(teacher.shape)}; images and "
            "classes have to be the same."
        )
