"""Pooling of an activation map to image-level logits."""

from __future__ import annotations

import math

import torch
from torch import nn


class AverageMapPool(nn.Module):
    """Mean over the map: ``(B, C, h, w)`` to ``(B, C)``. With a 1x1 head this is GAP + linear + CAM (CVPR 2016)."""

    def forward(self, activation_map: torch.Tensor) -> torch.Tensor:
        return activation_map.mean(dim=(-2, -1))


class LogSumExpMapPool(nn.Module):
    """Log-sum-exp over the map, ``1/r log mean exp(r x)``: between the mean (r to 0) and the maximum (r to infinity).

    Source: Pinheiro and Collobert, CVPR 2015, https://arxiv.org/abs/1411.6228.
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


class HemithoraxMapPool(nn.Module):
    """Log-sum-exp of the left and of the right half of a map, ``(B, 1, h, w)`` to ``(B, 2)``, for labels of halves.

    Left and right are the image's, not the patient's. A column in the middle of an odd number belongs to both.
    """

    def __init__(self, r: float = 2.0) -> None:
        super().__init__()
        self.pool = LogSumExpMapPool(r)

    def forward(self, activation_map: torch.Tensor) -> torch.Tensor:
        columns = activation_map.shape[-1]
        if activation_map.shape[1] != 1 or columns < 2:
            raise ValueError(f"The map is {tuple(activation_map.shape)}; expected one channel and two columns or more.")
        halves = (activation_map[..., : (columns + 1) // 2], activation_map[..., columns // 2 :])
        return torch.cat([self.pool(half) for half in halves], dim=1)
