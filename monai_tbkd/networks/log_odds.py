"""One class against the rest, in logits."""

from __future__ import annotations

import torch

UNKNOWN_LABEL = -1
"""The class index of an image that nobody has labeled; terms that compare with a teacher still see it."""


def class_log_odds(logits: torch.Tensor, class_index: int = -1) -> torch.Tensor:
    """Log-odds of one class against all others: ``(B, C, ...)`` to ``(B, 1, ...)``; a single channel stays as it is.

    The class is the last by default, which is tuberculosis in every label scheme.
    """
    channels = logits.shape[1]
    if channels == 1:
        return logits
    index = class_index % channels
    rest = torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=1)
    return logits[:, index : index + 1] - torch.logsumexp(rest, dim=1, keepdim=True)


def to_two_class_logits(logits: torch.Tensor) -> torch.Tensor:
    """Turn logits ``(B, 1, ...)`` into the equivalent pair (0, z), ``(B, 2, ...)``; others stay as they are."""
    if logits.shape[1] == 1:
        return torch.cat([torch.zeros_like(logits), logits], dim=1)
    return logits


def add_to_class(logits: torch.Tensor, added: torch.Tensor, class_index: int = -1) -> torch.Tensor:
    """Add ``(B, 1, h, w)`` to one class of logits ``(B, C, h, w)``, the last by default.

    Its log-odds change by just that.
    """
    out = logits.clone()
    index = class_index % logits.shape[1]
    out[:, index : index + 1] += added
    return out
