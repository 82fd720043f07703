"""Pooling of an activation map to image-level logits."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
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


class TopKMapPool(nn.Module):
    """Mean of the largest cells of the map: ``(B, C, h, w)`` to ``(B, C)``.

    Source: Durand et al., "WILDCAT", CVPR 2017 (its maximum part).

    Args:
        fraction: share of the cells that count, above 0 and at most 1; at least one cell always does.

    Raises:
        ValueError: a fraction out of range.
    """

    def __init__(self, fraction: float = 0.05) -> None:
        super().__init__()
        if not 0 < fraction <= 1:
            raise ValueError(f"fraction is {fraction}; expected above 0 and at most 1.")
        self.fraction = float(fraction)

    def forward(self, activation_map: torch.Tensor) -> torch.Tensor:
        x = activation_map.flatten(-2)  # (B, C, h * w)
        k = max(1, int(round(self.fraction * x.shape[-1])))
        return x.topk(k, dim=-1).values.mean(dim=-1)


class ProbabilisticMapPool(nn.Module):
    """Mean of the map weighted by its own probabilities (PCAM): ``(B, C, h, w)`` to ``(B, C)``.

    A cell's weight is its sigmoid over the sum of all. The paper pools features so and then applies the linear head; a
    1x1 head before the pooling gives the same logit. Cells that deny the class do not drown those that see it, and
    there is no number to choose. Source: Ye et al., "Weakly Supervised Lesion Localization With Probabilistic-CAM
    Pooling", 2020, https://arxiv.org/abs/2005.14480.

    Example:
        >>> ProbabilisticMapPool()(torch.full((1, 1, 4, 4), -3.0))
        tensor([[-3.]])
    """

    def forward(self, activation_map: torch.Tensor) -> torch.Tensor:
        x = activation_map.flatten(-2)  # (B, C, h * w)
        # in logarithms, so that weights sum to 1 where every sigmoid is as good as 0
        weights = torch.softmax(F.logsigmoid(x), dim=-1)
        return (weights * x).sum(dim=-1)


class NoisyOrMapPool(nn.Module):
    """The logit of "TB in at least one cell", cells being independent: ``(B, C, h, w)`` to ``(B, C)``.

    ``P = 1 - prod(1 - p)``, as a logit and without loss of figures at either end. It grows with the number of cells: a
    map of 32 x 32 cells at logit 0 says TB beyond doubt, so a head should start near the logit of one lesion in that
    many cells. Source: Maron and Lozano-Perez, "A Framework for Multiple-Instance Learning", NIPS 1997.

    Example:
        >>> NoisyOrMapPool()(torch.zeros(1, 1, 1, 2))  # P = 3/4, odds of 3
        tensor([[1.0986]])
    """

    def forward(self, activation_map: torch.Tensor) -> torch.Tensor:
        x = activation_map.flatten(-2)  # (B, C, h * w)
        # With s = -log(1 - P), the sum of softplus(x), the logit is log(exp(s) - 1). Softplus itself falls to 0 for
        # very negative x, where its logarithm is x.
        log_softplus = torch.where(x < -20.0, x, torch.log(F.softplus(x.clamp(min=-20.0))))
        log_s = torch.logsumexp(log_softplus, dim=-1)
        small = log_s < -10.0  # there log(exp(s) - 1) is log s + s / 2
        s = log_s.exp()
        at_least = log_s.clamp(min=-10.0).exp()
        return torch.where(small, log_s + s / 2, at_least + torch.log(-torch.expm1(-at_least)))
