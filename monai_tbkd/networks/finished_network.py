"""A network built as its checkpoint's record says, with its weights."""

from __future__ import annotations

import copy
from pathlib import Path

from torch import nn

from monai_tbkd.networks.activation_map_net import ActivationMapNet
from monai_tbkd.networks.checkpoint import load_finished, read_record
from monai_tbkd.networks.symmetric_map_net import SymmetricMapNet

KNOWN_NETWORKS: dict[str, type[nn.Module]] = {
    "ActivationMapNet": ActivationMapNet,
    "SymmetricMapNet": SymmetricMapNet,
}


def finished_network(checkpoint: str | Path, like: nn.Module, stage: str) -> nn.Module:
    """Build the network of a finished checkpoint, and load it.

    A teacher need not have its student's architecture. A network that is not one of `KNOWN_NETWORKS` has to be that of
    the config.

    Args:
        checkpoint: ``*.pt`` with its record beside it.
        like: network of the config; a copy of it is taken where the record has its architecture.
        stage: ``teacher``, ``student`` or ``control``, for messages.

    Returns:
        The network, in eval mode.

    Raises:
        FileNotFoundError: the stage has not finished.
        ValueError: the checkpoint does not fit the network.
    """
    architecture = (read_record(checkpoint) or {}).get("architecture") or {}
    own = getattr(like, "architecture", None)
    kind = KNOWN_NETWORKS.get(str(architecture.get("network_class")))
    if kind is None or architecture == own:
        network = copy.deepcopy(like)
    else:
        network = kind(**{key: value for key, value in architecture.items() if key != "network_class"})
    return load_finished(network, checkpoint, stage).eval()
