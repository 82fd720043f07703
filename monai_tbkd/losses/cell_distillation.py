"""Distillation of what a teacher says of each place of a film."""

from __future__ import annotations

import torch
from torch import nn

from monai_tbkd.losses.label_loss import UNKNOWN_LABEL
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
        gate_by_label: on a film that has no TB by its label, the target is the teacher's word with TB taken out of it,
            so "no TB" in every cell. The label is known in training, and the teacher may err. A film whose label is
            not known keeps the teacher's word.
        tb_index: class of tuberculosis; the last by default.

    Raises:
        ValueError: T is not above 0.

    Example:
        >>> loss, maps = CellDistillationLoss(gate_by_label=False), torch.zeros(1, 1, 2, 2)
        >>> float(loss(maps, maps))
        0.0
        >>> round(float(CellDistillationLoss()(maps, maps, torch.tensor([0]))), 4)  # log 2: there is no TB
        0.6931
    """

    def __init__(self, temperature: float = 1.0, gate_by_label: bool = True, tb_index: int = -1) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; expected above 0.")
        self.temperature, self.gate_by_label, self.tb_index = float(temperature), gate_by_label, tb_index

    def forward(self, student: torch.Tensor, teacher: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        """Mean over films and cells.

        Args:
            student: maps ``(B, C, h, w)`` in logits; one channel is one logit against 0.
            teacher: maps ``(B, C, h', w')`` in logits, without gradient. Different sizes meet at the coarser.
            label: class indices ``(B,)`` or ``(B, 1)``; needed with ``gate_by_label``.

        Returns:
            A scalar, at least 0.

        Raises:
            ValueError: batch or classes differ, or there is no label for the gate.
        """
        refuse_other_classes(student, teacher)
        s, t = (as_two_or_more(x) / self.temperature for x in at_coarser_size(student, teacher.detach()))
        if self.gate_by_label:
            if label is None:
                raise ValueError("The cells' target is gated by the label, but there is none; give it, or set "
                                 "gate_by_label to false.")  # fmt: skip
            t = self._without_tb(t, label)
        q, log_p = t.softmax(dim=1), s.log_softmax(dim=1)
        divergence = torch.xlogy(q, q) - q * log_p  # (B, C, h, w); xlogy(0, 0) is 0
        return divergence.sum(dim=1).mean() * self.temperature**2

    def _without_tb(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        classes = logits.shape[1]
        tb = self.tb_index % classes
        label = label.reshape(-1, 1, 1, 1)
        out = (label != tb) & (label != UNKNOWN_LABEL)  # (B, 1, 1, 1)
        is_tb = (torch.arange(classes, device=logits.device) == tb).reshape(1, -1, 1, 1)
        return logits.masked_fill(out & is_tb, float("-inf"))
