"""Pooling of an activation map to image-level logits."""

from __future__ import annotations

import math

import torch
from torch import nn


class AverageMapPool(nn.Module):
    """Mean over the map: ``(B, C, h, w)`` to ``(B, C)``. With a 1x1 head this is GAP + linear + CAM, exactly.

    Source: Zhou et al., CVPR 2016, https://arxiv.org/abs/1512.04150.
    """

    def forward(self, activation_map: torch.Tensor) -> torch.Tensor:
        return activation_map.mean(dim=(-2, -1))


class LogSumExpMapPool(nn.Module):
    """Log-sum-exp over the map, ``1/r log mean exp(r x)``: between the mean (r to 0) and the maximum (r to infinity).

    Source: Pinheiro and Collobert, "From Image-level to Pixel-level Labeling with Convolutional Networks", CVPR 2015,
    https://arxiv.org/abs/1411.6228.

    Args:
        r: sharpness, above 0.

    Raises:
        ValueError: r is not above 0.

    Example:
        >>> LogSumExpMapPool(r=2.0)(torch.ones(1, 1, 4, 4))
        tensor([[1.]])
    """

    def __init__(self, r: float = 2.0) -> None:
        super().__init__()
        if not r > 0:
            raise ValueError(f"r is {r}; log-sum-exp pooling needs r above 0 (average pooling is its limit at 0).")
        self.r = float(r)

    def forward(self, activation_map: torch.Tensor) -> torch.Tensor:
        cells = activation_map.shape[-2] * activation_map.shape[-1]
        x = self.r * activation_map.flatten(-2)  # (B, C, h * w)
        return (torch.logsumexp(x, dim=-1) - math.log(cells)) / self.r
