"""Attention transfer: where in a stage's features there is much, whatever it means."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.losses.map_size import at_coarser_size


class AttentionTransferLoss(nn.Module):
    """Squared distance of the student's from the teacher's attention maps, each scaled to unit length.

    A stage's attention map is the sum of its features' squares over the channels, so student and teacher may have
    different numbers of them. Source: Zagoruyko and Komodakis, "Paying More Attention to Attention", ICLR 2017,
    https://arxiv.org/abs/1612.03928. Their published code takes the mean over cells where this takes the sum: it is
    this divided by h * w, and their weight of 1000 for 8 x 8 cells is 15.6 here.

    Args:
        stages: names of the stages as the networks know them, such as ``layer2``; the trainer collects their output.

    Raises:
        ValueError: no stage.

    Example:
        >>> loss, features = AttentionTransferLoss(["layer3"]), torch.randn(2, 8, 4, 4)
        >>> float(loss([3 * features], [features])) < 1e-6
        True
    """

    def __init__(self, stages: Sequence[str] = ("layer2", "layer3")) -> None:
        super().__init__()
        if isinstance(stages, str) or not stages:
            raise ValueError(f"stages is {stages!r}; expected a list of at least one stage's name.")
        self.stages = tuple(stages)

    def forward(self, student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor]) -> torch.Tensor:
        """Mean over films and stages.

        Args:
            student: features ``(B, F, h, w)``, one tensor a stage.
            teacher: features ``(B, F', h', w')``, one tensor a stage, without gradient. Attention maps of different
                size meet at the coarser.

        Returns:
            A scalar between 0 (same places) and 2 (no place in common).

        Raises:
            ValueError: not one tensor a stage each, or batches differ.
        """
        if len(student) != len(self.stages) or len(teacher) != len(self.stages):
            raise ValueError(
                f"There are {len(student)} feature maps of the student and {len(teacher)} of the teacher; "
                f"expected {len(self.stages)} each, of {', '.join(self.stages)}."
            )
        distances = []
        for stage, own, other in zip(self.stages, student, teacher):
            if own.shape[0] != other.shape[0]:
                raise ValueError(f"Features of {stage} are of {own.shape[0]} and {other.shape[0]} films.")
            maps = at_coarser_size(attention_map(own), attention_map(other.detach()))
            s, t = (F.normalize(x.flatten(1), dim=1, eps=1e-6) for x in maps)  # (B, h * w)
            distances.append((s - t).square().sum(dim=1).mean())
        return torch.stack(distances).mean()


def attention_map(features: torch.Tensor) -> torch.Tensor:
    """Sum of squares over channels: ``(B, F, h, w)`` to ``(B, 1, h, w)``."""
    return features.float().square().sum(dim=1, keepdim=True)
