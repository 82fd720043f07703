"""Stages of the training: run one, unless it has finished before."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.engines import Trainer
from torch import nn

from monai_tbkd.networks.checkpoint import (
    check_architecture,
    file_sha256,
    load_finished,
    read_record,
    refuse_other_settings,
)
from monai_tbkd.networks.teacher_view import ViewedNet
from monai_tbkd.networks.weights import load_checkpoint
from monai_tbkd.transforms import NOTICE

logger = logging.getLogger(__name__)

MUST_BE_POSITIVE = ("image_size", "batch_size", "epochs")


def run_unless_finished(
    trainer: Trainer,
    network: nn.Module,
    checkpoint: str | Path,
    settings: Mapping[str, Any],
    stage: str = "teacher",
) -> None:
    """Train, unless a finished checkpoint of the same architecture and settings is there.

    Args:
        trainer: writes the checkpoint when it is done.
        network: what it trains.
        checkpoint: where the finished weights are, or will be.
        settings: what the training depends on; a finished one that differs in any of it is refused, not reused.
        stage: name for the log.

    Raises:
        ValueError: the finished checkpoint is of another architecture or other settings.
    """
    record = read_record(checkpoint)
    if record is None:
        if Path(checkpoint).is_file():
            logger.warning("%s has no record of a finished training: the %s is trained anew.", checkpoint, stage)
        trainer.run()
        return
    check_architecture(network, record, checkpoint)
    refuse_other_settings(record, settings, checkpoint)
    logger.info(
        "Taking the finished %s %s (%s epochs); remove it to train it anew.", stage, checkpoint, record["epochs"]
    )


def finished_teacher(network: nn.Module, checkpoint: str | Path, view: nn.Module | None = None) -> ViewedNet:
    """The trained teacher, frozen, looking through its view.

    Args:
        network: of the teacher's architecture, on its device; gets the weights.
        checkpoint: the finished teacher.
        view: what the teacher sees of a film; None is all of it.

    Raises:
        FileNotFoundError: no teacher has finished.
        ValueError: a checkpoint of another architecture.
    """
    load_finished(network, checkpoint, "teacher")
    return ViewedNet(network, view).eval().requires_grad_(False)


def training_settings(
    datalist: Mapping[str, Any], pooling: nn.Module, weights: str | Path | None = None, **settings: Any
) -> dict[str, Any]:
    """What a training depends on, JSON-able: numbers from the config, pooling, initial weights, films and labels.

    Args:
        datalist: with a ``train`` split.
        pooling: from maps to logits.
        weights: file that the backbone starts from, or None; kept by its hash. It has been loaded by then.
        settings: numbers and words of the config; counts and sizes have to be above 0.

    Raises:
        ValueError: a number that has to be above 0 is not.
    """
    for name, value in settings.items():
        if name in MUST_BE_POSITIVE and not value > 0:
            raise ValueError(f"{name} is {value}; expected above 0.")
    films = "\n".join(sorted(f"{item['name']} {item['label']}" for item in datalist["train"]))
    return {
        **settings,
        "pooling": describe_module(pooling),
        "weights_sha256": file_sha256(weights) if weights else None,
        "train_films": len(datalist["train"]),
        "train_sha256": hashlib.sha256(films.encode()).hexdigest(),
    }


def describe_module(module: nn.Module | None) -> str:
    """Kind, numbers and words of a pooling or a view in a line."""
    if module is None:
        return "none"
    numbers = ", ".join(f"{k}={v}" for k, v in vars(module).items() if isinstance(v, (float, str)))
    return f"{type(module).__name__}({numbers})"


def load_trained(network: nn.Module, checkpoint: str | Path, pooling: nn.Module, image_size: int) -> nn.Module:
    """Load a model for inference, and refuse settings under which its scores would be wrong.

    A checkpoint without a record, such as a published one, is taken by its state dict alone.

    Args:
        network: gets the weights, in place.
        checkpoint: the model.
        pooling: that inference uses.
        image_size: of the films that inference feeds, in pixels.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a checkpoint of another architecture, pooling or film size.
    """
    record = read_record(checkpoint)
    if record is not None:
        check_architecture(network, record, checkpoint)
        here = {"image_size": image_size, "pooling": describe_module(pooling)}
        refuse_other_settings(record, here, checkpoint)
    return load_checkpoint(network, checkpoint)


def training_record(stage: str, settings: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """What is kept beside a checkpoint: the stage, what the training depended on, and other facts."""
    return {"stage": stage, "settings": dict(settings), **facts, "notice": NOTICE}
