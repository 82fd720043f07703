"""The task itself: the image-level label."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.networks.log_odds import UNKNOWN_LABEL, as_two_or_more


class LabelLoss(nn.Module):
    """Cross-entropy of image-level logits; with one logit this is binary cross-entropy.

    A film whose label is not known (`UNKNOWN_LABEL`) takes no part; a batch of such films alone gives 0.

    Args:
        class_weights: one weight a class, or None for 1 each. One logit takes two: (rest, TB).
        label_smoothing: share of the target spread over all classes, 0 to below 1.

    Example:
        >>> round(float(LabelLoss()(torch.zeros(1, 1), torch.tensor([1]))), 4)
        0.6931
    """

    class_weights: torch.Tensor | None
    inputs = ("logits", "label")

    def __init__(self, class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)
        self.label_smoothing = float(label_smoothing)

    def forward(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Mean over the batch.

        Args:
            logits: ``(B, C)``.
            label: class indices ``(B,)`` or ``(B, 1)``; `UNKNOWN_LABEL` where there is none.

        Returns:
            A scalar.

        Raises:
            ValueError: not one class weight a class.
        """
        weights, classes = self.class_weights, max(logits.shape[1], 2)
        if weights is not None and len(weights) != classes:
            raise ValueError(f"class_weights has {len(weights)} values; expected {classes}, one a class.")
        known = label.reshape(-1) != UNKNOWN_LABEL
        if not known.any():
            return logits.sum() * 0.0
        return F.cross_entropy(
            as_two_or_more(logits)[known],
            label.reshape(-1).long()[known],
            weight=None if weights is None else weights.to(logits),
            label_smoothing=self.label_smoothing,
        )
