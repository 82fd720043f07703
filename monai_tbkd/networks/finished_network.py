"""Networks with the weights of a finished checkpoint, and the refusal of settings that are not its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from monai_tbkd.networks.activation_map_net import ActivationMapNet
from monai_tbkd.networks.checkpoint import (
    check_architecture,
    file_sha256,
    load_finished,
    read_record,
    refuse_other_settings,
)
from monai_tbkd.networks.symmetric_map_net import SymmetricMapNet
from monai_tbkd.networks.weights import load_checkpoint

KNOWN_NETWORKS: dict[str, type[nn.Module]] = {"ActivationMapNet": ActivationMapNet, "SymmetricMapNet": SymmetricMapNet}


def finished_network(checkpoint: str | Path, like: nn.Module, stage: str) -> nn.Module:
    """Build the network of a finished checkpoint as its record says, and load it, in eval mode; see `load_finished`.

    A copy of ``like``, the network of the config, is taken where the record has its architecture, or none that is
    known.
    """
    architecture = (read_record(checkpoint) or {}).get("architecture") or {}
    kind = KNOWN_NETWORKS.get(str(architecture.get("network_class")))
    if kind is None or architecture == getattr(like, "architecture", None):
        network = copy.deepcopy(like)
    else:
        network = kind(**{key: value for key, value in architecture.items() if key != "network_class"})
    return load_finished(network, checkpoint, stage).eval()


def hash_of_file(path: Any) -> str | None:
    """SHA-256 of the file of this name; None where there is none."""
    return file_sha256(str(path)) if path and Path(str(path)).is_file() else None


def describe_module(module: nn.Module) -> str:
    """Kind, numbers and words of a pooling in a line."""
    numbers = ", ".join(f"{k}={v}" for k, v in vars(module).items() if isinstance(v, (float, str)))
    return f"{type(module).__name__}({numbers})"


def load_trained(
    network: nn.Module,
    checkpoint: str | Path,
    pooling: nn.Module,
    image_size: int,
    preprocessing: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Load a model for inference into a network, in place, and refuse settings under which its scores would be wrong.

    ``preprocessing`` has ``lung_crop``, ``whole_image_size`` and ``lung_weights`` (a path) of inference; those that the
    record has must be the same. A checkpoint without a record is taken by its state dict alone.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a checkpoint of another architecture, pooling, image size or preprocessing.
    """
    record = read_record(checkpoint)
    if record is not None:
        check_architecture(network, record, checkpoint)
        here = {"image_size": image_size, "pooling": describe_module(pooling)}
        theirs = record.get("settings") or {}
        given = dict(preprocessing or {})
        if "lung_weights" in given:
            given["lung_weights_sha256"] = hash_of_file(given.pop("lung_weights"))
        known = {*theirs, "lung_weights_sha256"} if "lung_crop" in theirs else set()
        here |= {name: value for name, value in given.items() if name in known}
        refuse_other_settings(record, here, checkpoint)
    return load_checkpoint(network, checkpoint)
