"""Distillation of image-level logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.networks.log_odds import as_two_or_more


class LogitDistillationLoss(nn.Module):
    """Kullback-Leibler divergence of the student's from the teacher's softened class probabilities, times T squared.

    ``T^2 KL(softmax(teacher / T) || softmax(student / T))``: 0 with gradient 0 where both agree. The factor keeps the
    size of the gradient independent of T. Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural
    Network", 2015, https://arxiv.org/abs/1503.02531.

    Args:
        temperature: T, above 0; higher shows more of what the teacher thinks of the classes it rejects.

    Raises:
        ValueError: T is not above 0.

    Example:
        >>> loss = LogitDistillationLoss(temperature=2.0)
        >>> float(loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.0]])))
        0.0
    """

    inputs = ("logits", "teacher_logits")

    def __init__(self, temperature: float = 4.0) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; expected above 0.")
        self.temperature = float(temperature)

    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """Mean over the batch.

        Args:
            student: logits ``(B, C)``; one column is one logit against 0.
            teacher: logits ``(B, C)``, without gradient.

        Returns:
            A scalar, at least 0.

        Raises:
            ValueError: shapes differ.
        """
        if student.shape != teacher.shape:
            raise ValueError(
                f"Student logits are {tuple(student.shape)} and teacher logits {tuple(teacher.shape)}; "
                "both networks need the same number of classes."
            )
        t = self.temperature
        log_p = F.log_softmax(as_two_or_more(student) / t, dim=1)
        log_q = F.log_softmax(as_two_or_more(teacher.detach()) / t, dim=1)
        return F.kl_div(log_p, log_q, reduction="batchmean", log_target=True) * t**2
