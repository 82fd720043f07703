"""A trained network for inference, and the refusal of settings that are not its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from monai_tbkd.networks.checkpoint import check_architecture, file_sha256, read_record, refuse_other_settings
from monai_tbkd.networks.weights import load_checkpoint


def hash_of_file(path: Any) -> str | None:
    """SHA-256 of the file of this name; None where there is none."""
    return file_sha256(str(path)) if path and Path(str(path)).is_file() else None


def describe_module(module: nn.Module | None) -> str:
    """Kind, numbers and words of a pooling or a view in a line."""
    if module is None:
        return "none"
    numbers = ", ".join(f"{k}={v}" for k, v in vars(module).items() if isinstance(v, (float, str)))
    return f"{type(module).__name__}({numbers})"


def load_trained(
    network: nn.Module,
    checkpoint: str | Path,
    pooling: nn.Module,
    image_size: int,
    preprocessing: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Load a model for inference, and refuse settings under which its scores would be wrong.

    A checkpoint without a record, such as a published one, is taken by its state dict alone.

    Args:
        network: gets the weights, in place.
        checkpoint: the model.
        pooling: that inference uses.
        image_size: of the films that inference feeds, in pixels.
        preprocessing: ``lung_crop``, ``film_size`` and ``lung_weights`` (a path) of inference; those that the record
            has must be the same. None compares none.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a checkpoint of another architecture, pooling, film size or preprocessing.
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
