"""Record that a training has finished, with its weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from torch import nn

from monai_tbkd.data.processes import rank, wait_for_all
from monai_tbkd.networks.checkpoint import write_checkpoint

logger = logging.getLogger(__name__)


class FinishedCheckpoint:
    """Write the weights of the last epoch, with a record, once all epochs are done.

    A training that was interrupted or killed writes nothing, so it is never taken for a finished one. No epoch is
    selected: selection by a score that shortcuts can satisfy would choose the shortcut. Of several processes the first
    writes.

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
            return
        if rank() == 0:
            write_checkpoint(self.network, self.path, {**self.record, "epochs": engine.state.epoch})
            logger.info("Finished: %s", self.path)
        wait_for_all()  # whoever goes on finds it
