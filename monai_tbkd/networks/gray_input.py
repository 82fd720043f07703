"""Filters of other weights' input scales, for images that are standardized with ImageNet's mean and deviation."""

from __future__ import annotations

import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def filters_of_gray(filters: torch.Tensor, scale: float, offset: float) -> torch.Tensor:
    """Change filters ``(F, 1, k, k)`` trained on ``scale * gray + offset`` (gray of 0-1) for `NormalizeImage`.

    The three channels of a gray image are standardized with different means, so that a weighted sum of them gives any
    scale with its offset, exactly, at the zero-padded borders too. Returns ``(F, 3, k, k)``.
    """
    mean, std = (torch.tensor(each, dtype=torch.float64) for each in (IMAGENET_MEAN, IMAGENET_STD))
    conditions = torch.stack(
        [1.0 / std, -mean / std]
    )  # of the sum's scale and its offset; the smallest weights are taken
    weights = torch.linalg.pinv(conditions) @ torch.tensor([scale, offset], dtype=torch.float64)
    return (filters.double() * weights[:, None, None]).to(filters.dtype)
