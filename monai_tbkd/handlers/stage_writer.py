"""TensorBoard's curves of a stage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partialmethod
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from torch.optim import Optimizer
from torch.utils.tensorboard import SummaryWriter

from monai_tbkd.data.files.atomic_write import faults_of
from monai_tbkd.data.files.processes import rank

_EVENTS = "events.out.tfevents.*"


class StageWriter:
    """A ``SummaryWriter`` that opens at the first thing written, and replaces the events of an earlier run.

    A config builds the writers of all its stages; only a stage that is run leaves an event file. Of several processes
    the first writes.

    Raises:
        OSError: when something can't be written; with the folder.
    """

    def __init__(self, log_dir: str | Path) -> None:
        self.log_dir = Path(log_dir)
        self._writer: SummaryWriter | None = None
        self._kept: dict[str, int] = {}

    def written(self) -> dict[str, int]:
        """The event files of this run, by name, with their sizes in bytes up to now."""
        self.flush()
        opened = self._writer is not None  # then all that is there
        paths = self.log_dir.glob(_EVENTS) if opened else (self.log_dir / name for name in self._kept)
        return {path.name: path.stat().st_size for path in paths}

    def go_on(self, written: Mapping[str, int]) -> None:
        """Continue the curves of an interrupted run: what it wrote later is cut off, so that no step is twice.

        Args:
            written: what `written` gave then; files that are gone are left out.

        Raises:
            RuntimeError: something has been written already.
        """
        if self._writer is not None:
            raise RuntimeError("The events of this run are open already; go on before anything is written.")
        self._kept = {name: size for name, size in written.items() if (self.log_dir / name).is_file()}
        for name, size in self._kept.items():
            if rank() == 0 and (self.log_dir / name).stat().st_size > size:
                os.truncate(self.log_dir / name, size)

    @property
    def writer(self) -> SummaryWriter:
        """The open writer."""
        if self._writer is None:
            for old in self.log_dir.glob(_EVENTS):
                if old.name not in self._kept:
                    old.unlink()
            self._writer = SummaryWriter(str(self.log_dir))
        return self._writer

    def _add(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Call a method of ``SummaryWriter``, in the first process."""
        if rank() == 0:
            with faults_of(self.log_dir):
                getattr(self.writer, method)(*args, **kwargs)

    add_scalar = partialmethod(_add, "add_scalar")
    add_image = partialmethod(_add, "add_image")
    add_text = partialmethod(_add, "add_text")

    def flush(self) -> None:
        """Write out what is pending, if anything was written."""
        if self._writer is not None:
            with faults_of(self.log_dir):
                self._writer.flush()

    def close(self) -> None:
        """Close, if it was opened."""
        if self._writer is not None:
            with faults_of(self.log_dir):
                self._writer.close()


class TrainingScalars:
    """Write ``train/loss/<term>``, ``train/loss/total`` and ``train/lr`` at every iteration.

    Args:
        summary_writer: the run's shared writer.
        optimizer: its first parameter group has the learning rate.
    """

    def __init__(self, summary_writer: StageWriter, optimizer: Optimizer) -> None:
        self.writer, self.optimizer = summary_writer, optimizer

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: self.writer.flush())

    def __call__(self, engine: Engine) -> None:
        """Write the iteration's numbers."""
        step, output = engine.state.iteration, engine.state.output
        # MONAI's engines decollate their output: one dictionary an image, with the batch's losses in each
        for key, value in loss_summary(output if isinstance(output, list) else [output]).items():
            self.writer.add_scalar(f"train/loss/{key}", value, step)
        self.writer.add_scalar("train/lr", self.optimizer.param_groups[0]["lr"], step)


def loss_summary(output: list[dict[str, Any]]) -> dict[str, float]:
    """The loss terms of a decollated output, ``total`` and each ``loss_<term>``, as for ``StatsHandler``."""
    first = output[0]
    return {"total": float(first["loss"]), **{k[5:]: float(v) for k, v in first.items() if k.startswith("loss_")}}
