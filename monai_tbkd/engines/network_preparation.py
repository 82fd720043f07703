"""What a network needs of its training films before it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from monai_tbkd.engines.feature_training import fit_components
from monai_tbkd.networks.symmetric_map_net import SymmetricMapNet

_FILMS = 200


def prepare_network(
    network: nn.Module,
    films: Sequence[Mapping[str, Any]],
    transform: Callable[[Any], Any],
    device: torch.device | str = "cpu",
) -> nn.Module:
    """Fit the components of a :class:`~monai_tbkd.networks.SymmetricMapNet`; other networks need nothing.

    Args:
        network: on the device.
        films: training films with ``image``; 200 of them, in a fixed random order, take part. No label does.
        transform: to the normalized film at ``image``.
        device: of the network.

    Returns:
        The network.
    """
    if isinstance(network, SymmetricMapNet):
        fit_components(network, films, transform, device, films=_FILMS)
    return network
