"""Labels of several outputs, each yes or no, where one answer is rare."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class BalancedLabelLoss(nn.Module):
    """Binary cross-entropy in which yes and no weigh the same, however many of each a batch has.

    Example:
        >>> loss = BalancedLabelLoss()
        >>> round(float(loss(torch.zeros(2, 2), torch.tensor([[1, 0], [0, 0]]))), 4)  # log 2
        0.6931
    """

    inputs = ("logits", "label")

    def forward(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Half the mean over the outputs with yes and half that over those with no; one alone counts whole.

        Args:
            logits: ``(B, K)``.
            label: 0 or 1 for each, ``(B, K)``, or ``(B,)`` where K is 1.

        Raises:
            ValueError: another number of labels.
        """
        if label.numel() != logits.numel():
            raise ValueError(f"There are {tuple(logits.shape)} logits and {tuple(label.shape)} labels; expected alike.")
        yes = label.reshape(logits.shape).to(logits)
        each = F.binary_cross_entropy_with_logits(logits, yes, reduction="none")
        means = [(each * part).sum() / part.sum() for part in (yes, 1 - yes) if bool(part.any())]
        return torch.stack(means).mean()
