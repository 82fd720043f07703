"""Pooling of an activation map to a logit of each half of the film."""

from __future__ import annotations

import torch
from torch import nn

from monai_tbkd.networks.map_pooling import LogSumExpMapPool


class HemithoraxMapPool(nn.Module):
    """Pooling of the left and of the right half of a map: ``(B, 1, h, w)`` to ``(B, 2)``.

    For labels that say which half of a film has the disease. Left and right are the picture's, not the patient's.

    Args:
        r: sharpness of log-sum-exp, see :class:`LogSumExpMapPool`.

    Example:
        >>> HemithoraxMapPool()(torch.tensor([[[[1.0, 1.0, 3.0, 3.0]]]]))
        tensor([[1., 3.]])
    """

    def __init__(self, r: float = 2.0) -> None:
        super().__init__()
        self.pool = LogSumExpMapPool(r)

    def forward(self, activation_map: torch.Tensor) -> torch.Tensor:
        """A column in the middle of an odd number belongs to both.

        Raises:
            ValueError: more than one channel, or a single column.
        """
        columns = activation_map.shape[-1]
        if activation_map.shape[1] != 1 or columns < 2:
            raise ValueError(f"The map is {tuple(activation_map.shape)}; expected one channel and two columns or more.")
        left = self.pool(activation_map[..., : (columns + 1) // 2])
        right = self.pool(activation_map[..., columns // 2 :])
        return torch.cat([left, right], dim=1)
