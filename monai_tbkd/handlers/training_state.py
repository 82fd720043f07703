"""What a training leaves: its state after each epoch, and its weights when it has finished."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.engines import Trainer, Workflow
from torch import nn

from monai_tbkd import __version__
from monai_tbkd.data.files.processes import from_first, gather_to_first, rank, wait_for_all, world_size
from monai_tbkd.data.files.random_states import random_states, set_random_states
from monai_tbkd.handlers.stage_writer import StageWriter
from monai_tbkd.networks.checkpoint import settings_that_differ, write_checkpoint
from monai_tbkd.networks.weights import load_plain, save_plain

logger = logging.getLogger(__name__)


class FinishedCheckpoint:
    """Write the weights of the last epoch, with a record, once all epochs are done.

    A training that was stopped writes nothing. No epoch is selected: selection by a score that shortcuts can satisfy
    would choose the shortcut. Of several processes the first writes.

    Args:
        network: what is written.
        path: the checkpoint, ``*.pt``; its record, with the JSON-able facts of ``record``, stands beside it.
    """

    def __init__(self, network: nn.Module, path: str | Path, record: Mapping[str, Any] | None = None) -> None:
        self.network, self.path, self.record = network, Path(path), dict(record or {})

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write, if the last epoch was reached."""
        if engine.state.epoch < (engine.state.max_epochs or 0):
            logger.warning("Stopped after epoch %d of %s: not recorded.", engine.state.epoch, engine.state.max_epochs)
        else:
            self.write(engine.state.epoch)

    def write(self, epochs: int) -> None:
        """Write weights and record."""
        if rank() == 0:
            write_checkpoint(self.network, self.path, {**self.record, "epochs": epochs})
            logger.info("Finished: %s", self.path)
        wait_for_all()  # before any process reads it


class ReceivedCheckpoint(FinishedCheckpoint):
    """Write the weights that a site of a federation has received and evaluated, once all rounds are done.

    For the evaluator of :class:`monai.fl.client.MonaiAlgo`, which runs with the number of the epoch that would come
    next. ``epochs`` are those of all rounds together.
    """

    def __init__(
        self, network: nn.Module, path: str | Path, epochs: int, record: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(network, path, record)
        self.epochs = epochs

    def __call__(self, engine: Engine) -> None:
        """Write, if the site has trained in all epochs."""
        done = engine.state.epoch - 1
        if done < self.epochs:
            logger.info("Evaluated after epoch %d of %d: not recorded.", done, self.epochs)
        else:
            self.write(done)


class TrainingState:
    """Write the state of a training after each epoch, and resume from what a killed one has left.

    On a CPU a training that was killed ends with the very weights and curves of an uninterrupted one: the file has the
    network, the optimizer, the learning rate's schedule, the states of all random generators and the sizes of the event
    files. It stands beside the checkpoint as ``*.training.pt``, is written atomically, read without running code from
    it, and removed when the training has finished. It comes last among a trainer's handlers, after
    `FinishedCheckpoint`. Of several processes the first writes.

    Args:
        checkpoint: where the finished weights will be, ``*.pt``.
        parts: what has a state, by name: network (without the wrapper of several processes), optimizer, schedule.
        settings: what the training depends on, JSON-able; a state of other settings is refused.
        summary_writer: of the stage.
        validator: the evaluator whose best metric so far is logged.
        resume: false trains anew, whatever was left.

    Raises:
        ValueError: when training starts, if what was left is damaged, or of other settings.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        parts: Mapping[str, Any],
        settings: Mapping[str, Any],
        summary_writer: StageWriter | None = None,
        validator: Workflow | None = None,
        resume: bool = True,
    ) -> None:
        self.path = Path(checkpoint).with_suffix(".training.pt")
        self.parts = dict(parts)
        self.settings, self.writer, self.validator, self.resume = settings, summary_writer, validator, resume

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.STARTED, self.go_on)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.write)
        engine.add_event_handler(Events.COMPLETED, self.remove)

    def go_on(self, engine: Trainer) -> None:
        """Load the state of a killed training, if there is one."""
        # where machines don't share their disks, the first one's file counts
        state = from_first(self._read(engine) if rank() == 0 and self.resume else None)
        if state is None:
            return
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        if engine.scaler is not None and state["scaler"]:
            engine.scaler.load_state_dict(state["scaler"])
        engine.state.epoch, engine.state.iteration = state["epoch"], state["iteration"]
        if self.validator is not None:
            self.validator.state.best_metric, self.validator.state.best_metric_epoch = state["best_metric"]
        if self.writer is not None:
            self.writer.go_on(state["events"])
        set_random_states(state["random"][rank()], engine.data_loader)
        logger.info("Going on after epoch %d of %d: %s", state["epoch"], engine.state.max_epochs, self.path)

    def write(self, engine: Trainer) -> None:
        """Write the state."""
        drawn = gather_to_first(random_states(engine.data_loader))
        if drawn is None:
            return
        best = None if self.validator is None else self.validator.state
        state = {
            **{name: part.state_dict() for name, part in self.parts.items()},
            "scaler": {} if engine.scaler is None else engine.scaler.state_dict(),
            "epoch": engine.state.epoch,
            "iteration": engine.state.iteration,
            "best_metric": (-1, -1) if best is None else (float(best.best_metric), int(best.best_metric_epoch)),
            "events": {} if self.writer is None else self.writer.written(),
            "random": drawn,
            "settings": self._settings(engine),
        }
        save_plain(state, self.path)

    def remove(self, engine: Engine) -> None:
        """Remove the file, if the training has finished."""
        if engine.state.epoch >= (engine.state.max_epochs or 0):
            if rank() == 0:
                self.path.unlink(missing_ok=True)
            wait_for_all()

    def _settings(self, engine: Engine) -> dict[str, Any]:
        own = {"version": __version__, "steps_of_an_epoch": engine.state.epoch_length, "processes": world_size()}
        return json.loads(json.dumps({**self.settings, **own}))  # type: ignore[no-any-return]

    def _read(self, engine: Engine) -> dict[str, Any] | None:
        if not self.path.is_file():
            return None
        anew = "To train anew, remove it or give --resume false."
        try:
            state = load_plain(self.path)
        except ValueError as error:
            raise ValueError(
                f"{self.path}, from which an unfinished training would go on, can't be read ({error}). {anew}"
            ) from error
        if not isinstance(state, dict) or "settings" not in state:
            raise ValueError(f"{self.path} is not the state of an unfinished training. {anew}")
        differing = settings_that_differ(state["settings"], self._settings(engine))
        if differing:
            raise ValueError(
                f"{self.path} is of an unfinished training with other settings: {differing}. Set these as they were "
                f"to go on with it. {anew}"
            )
        return state
