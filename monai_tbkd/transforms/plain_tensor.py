"""Tensors without and with MONAI's metadata."""

from __future__ import annotations

import torch
from monai.data import MetaTensor


def plain_tensor(image: torch.Tensor) -> torch.Tensor:
    """An image without MONAI's metadata; not copied."""
    return image.as_tensor() if isinstance(image, MetaTensor) else image


def with_meta_of(image: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
    """A result with the metadata of the image that it was made of, if it has any."""
    return MetaTensor(result, meta=image.meta) if isinstance(image, MetaTensor) else result
