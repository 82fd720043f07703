"""Batch norm that keeps its statistics while the rest learns."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle


def hold_batch_statistics(network: nn.Module) -> RemovableHandle:
    """Keep the running statistics of a network's batch norm as they are, from its next forward pass on.

    A trainer puts the whole network into training mode at each step. Batches of a few films have statistics that are
    far from those of the films that the network was trained on, and would overwrite them.

    Args:
        network: its batch-norm layers are put into eval mode before each forward pass; their scale and shift go on
            learning.

    Returns:
        A handle whose ``remove()`` ends it.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.BatchNorm2d(1))
        >>> handle = hold_batch_statistics(net)
        >>> _ = net.train()(torch.full((2, 1, 2, 2), 9.0))
        >>> net[0].running_mean
        tensor([0.])
    """

    def hold(module: nn.Module, args: Any) -> None:
        for each in module.modules():
            if isinstance(each, nn.modules.batchnorm._BatchNorm):
                each.eval()

    return network.register_forward_pre_hook(hold)
