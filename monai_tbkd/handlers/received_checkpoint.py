"""Record the weights that a federation's server has sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from torch import nn

from monai_tbkd.networks.checkpoint import write_checkpoint

logger = logging.getLogger(__name__)


class ReceivedCheckpoint:
    """Write the weights that a site has evaluated, with the site's own record, once all rounds are done.

    For the evaluator of :class:`monai.fl.client.MonaiAlgo`, which loads what the server sends, and runs with the number
    of the epoch that would come next. Weights of an earlier round are evaluated and not written, so they are never
    taken for a finished training.

    Args:
        network: what is written.
        path: the checkpoint, ``*.pt``; its record stands beside it as ``*.json``.
        epochs: of all rounds together.
        record: facts to keep with it, JSON-able.
    """

    def __init__(
        self, network: nn.Module, path: str | Path, epochs: int, record: Mapping[str, Any] | None = None
    ) -> None:
        self.network, self.path, self.epochs, self.record = network, Path(path), epochs, dict(record or {})

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write, if the site has trained in all epochs."""
        done = engine.state.epoch - 1
        if done < self.epochs:
            logger.info("Evaluated after epoch %d of %d: not recorded.", done, self.epochs)
            return
        write_checkpoint(self.network, self.path, {**self.record, "epochs": done})
        logger.info("Finished: %s", self.path)
