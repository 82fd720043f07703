"""Stages of the training: run one, unless it has finished before."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.engines import Trainer
from torch import nn

from monai_tbkd.networks.checkpoint import check_architecture, load_finished, read_record
from monai_tbkd.networks.teacher_view import ViewedNet

logger = logging.getLogger(__name__)


def run_unless_finished(trainer: Trainer, network: nn.Module, checkpoint: str | Path, stage: str = "teacher") -> None:
    """Train, unless a finished checkpoint of the same architecture is there.

    Args:
        trainer: writes the checkpoint when it is done.
        network: what it trains.
        checkpoint: where the finished weights are, or will be.
        stage: name for the log.

    Raises:
        ValueError: the finished checkpoint is of another architecture.
    """
    record = read_record(checkpoint)
    if record is None:
        if Path(checkpoint).is_file():
            logger.warning("%s has no record of a finished training: the %s is trained anew.", checkpoint, stage)
        trainer.run()
        return
    check_architecture(network, record, checkpoint)
    logger.info(
        "Taking the finished %s %s (%s epochs); delete it to train it anew.", stage, checkpoint, record["epochs"]
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


def training_record(stage: str, datalist: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """What is kept beside a checkpoint: the stage, numbers of films, and given facts."""
    films = {split: len(items) for split, items in datalist.items()}
    return {"stage": stage, "films": films, **facts, "notice": "research use only, not for diagnosis"}
