"""Record that a training has finished, with its weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from torch import nn

from monai_tbkd.data.files.processes import rank, wait_for_all
from monai_tbkd.networks.checkpoint import write_checkpoint

logger = logging.getLogger(__name__)


class FinishedCheckpoint:
    """Write the weights of the last epoch, with a record, once all epochs are done.

    A training that was stopped writes nothing. No epoch is selected: selection by a score that shortcuts can satisfy
    would choose the shortcut. Of several processes the first writes.

    Args:
        network: what is written.
        path: the checkpoint, ``*.pt``; its record stands beside it as ``*.json``.
        record: facts to keep with it, JSON-able.
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
    next.

    Args:
        network: as of :class:`FinishedCheckpoint`.
        path: the same.
        epochs: of all rounds together.
        record: the same.
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
