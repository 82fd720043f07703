"""Stages of the training: run one, unless it has finished before."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.engines import Trainer
from torch import nn

from monai_tbkd.networks.averaged_net import AveragedNet
from monai_tbkd.networks.checkpoint import (
    PHANTOM_ONLY,
    check_architecture,
    file_sha256,
    knows_no_real_film,
    load_finished,
    read_record,
    refuse_other_settings,
)
from monai_tbkd.networks.teacher_view import ViewedNet
from monai_tbkd.networks.weights import load_checkpoint
from monai_tbkd.transforms import NOTICE, notice_of

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
        ValueError: the finished checkpoint is of another architecture, other settings, or another stage.
    """
    record = read_record(checkpoint)
    if record is None:
        if Path(checkpoint).is_file():
            logger.warning("%s has no record of a finished training: the %s is trained anew.", checkpoint, stage)
        trainer.run()
        return
    _refuse_other_stage(record, checkpoint, stage)
    check_architecture(network, record, checkpoint)
    refuse_other_settings(record, settings, checkpoint)
    logger.info(
        "Taking the finished %s %s (%s epochs); remove it to train it anew.", stage, checkpoint, record["epochs"]
    )


class FinishedTeacher(ViewedNet):
    """The trained teacher, frozen, looking through its view.

    A workflow can be put together before the teacher has finished, as for MONAI's ``check_properties``. The teacher is
    asked for by `load`, or when it first looks at a film.

    Args:
        network: of the teacher's architecture, on its device; gets the weights.
        checkpoint: the finished teacher.
        view: what the teacher sees of a film; None is all of it.
        generation: of the student that is taught. From 2 on its teacher is the student before, which was trained
            without a view and looks without one.
        output_stride: of the network, for what follows.
        mirror: the mean of its maps of a film and its mirror image, see :class:`~monai_tbkd.networks.AveragedNet`.
        scales: the mean of its maps of a film at these sizes, as shares of the film's.

    Raises:
        ValueError: a checkpoint of another architecture or stage.
    """

    def __init__(
        self,
        network: nn.Module,
        checkpoint: str | Path,
        view: nn.Module | None = None,
        generation: int = 1,
        output_stride: int = 1,
        mirror: bool = False,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        averaged = mirror or tuple(scales) != (1.0,)
        super().__init__(
            AveragedNet(network, output_stride, mirror, scales) if averaged else network,
            view if generation == 1 else None,
        )
        self.checkpoint = Path(checkpoint)
        self.stage = "teacher" if generation == 1 else "student"
        self._load = partial(load_finished, network, self.checkpoint, self.stage)
        self.sha256: str | None = None
        """Of the weights that are loaded."""
        if read_record(self.checkpoint) is not None:
            self.load()

    def load(self) -> str:
        """Load the weights as they are now, freeze them, and return their SHA-256.

        Raises:
            FileNotFoundError: no teacher has finished.
            ValueError: a checkpoint of another architecture or stage.
        """
        record = read_record(self.checkpoint)
        if record is not None:
            _refuse_other_stage(record, self.checkpoint, self.stage)
        self._load()
        self.eval().requires_grad_(False)  # not before: till then the network may be in training
        self.sha256 = file_sha256(self.checkpoint)
        return self.sha256

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if self.sha256 is None:
            self.load()
        return super().forward(image)


def student_path(ckpt_dir: str | Path, generation: int = 1) -> str:
    """Where the student of a generation is, or will be: ``model.pt``, ``model_2.pt``, ``model_3.pt`` and so on.

    Raises:
        ValueError: no such generation.
    """
    if not isinstance(generation, int) or generation < 1:
        raise ValueError(f"generation is {generation!r}; expected a whole number from 1 on.")
    return str(Path(ckpt_dir) / ("model.pt" if generation == 1 else f"model_{generation}.pt"))


def teacher_path(ckpt_dir: str | Path, generation: int = 1) -> str:
    """Where the teacher of a generation's student is: ``teacher.pt``, and from the second on the student before.

    Born-again networks: Furlanello et al., ICML 2018, https://arxiv.org/abs/1805.04770.

    Raises:
        ValueError: no such generation.
    """
    own = Path(student_path(ckpt_dir, generation))
    return str(own.with_name("teacher.pt")) if generation == 1 else student_path(ckpt_dir, generation - 1)


def refuse_later_generation(generation: int) -> None:
    """Refuse to train a teacher where the teacher is the student before; it would be overwritten.

    Raises:
        ValueError: a generation above 1.
    """
    if generation != 1:
        raise ValueError(
            f"The teacher of generation {generation} is the student before, which is not trained again; take the run "
            "id run_student, or generation 1."
        )


def _refuse_other_stage(record: Mapping[str, Any], checkpoint: str | Path, stage: str) -> None:
    found = record.get("stage", stage)
    if found != stage:
        raise ValueError(
            f"{checkpoint} is a {found}, and a {stage} was expected. A student is taught by the teacher in generation "
            "1 and by the student before from generation 2 on (--generation 2, run id run_student)."
        )


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
    """What is kept beside a checkpoint: the stage, what the training depended on, and other facts.

    Args:
        stage: ``teacher``, ``student`` or ``control``.
        settings: see `training_settings`; kept as they are, so that a teacher that has yet to finish can be added.
        facts: such as ``films``, see :func:`monai_tbkd.data.film_origins`.
    """
    notice = notice_of(PHANTOM_ONLY) if knows_no_real_film(facts) else NOTICE
    return {"stage": stage, "settings": settings, **facts, "notice": notice}
