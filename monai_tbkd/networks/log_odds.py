"""One class against the rest, in logits."""

from __future__ import annotations

import torch

UNKNOWN_LABEL = -1
"""The class index of an image that nobody has labeled; terms that compare with a teacher still see it."""


def class_log_odds(logits: torch.Tensor) -> torch.Tensor:
    """Log-odds of the last class against all others, ``(B, C, ...)`` to ``(B, 1, ...)``; one channel stays as it is.

    The last class is tuberculosis in every label scheme.
    """
    if logits.shape[1] == 1:
        return logits
    return logits[:, -1:] - torch.logsumexp(logits[:, :-1], dim=1, keepdim=True)


def to_two_class_logits(logits: torch.Tensor) -> torch.Tensor:
    """Turn logits ``(B, 1, ...)`` into the equivalent pair (0, z), ``(B, 2, ...)``; others stay as they are."""
    if logits.shape[1] == 1:
        return torch.cat([torch.zeros_like(logits), logits], dim=1)
    return logits


def add_to_class(logits: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    """Add ``(B, 1, h, w)`` to the last class of logits ``(B, C, h, w)``; its log-odds change by just that."""
    out = logits.clone()
    out[:, -1:] += added
    return out
