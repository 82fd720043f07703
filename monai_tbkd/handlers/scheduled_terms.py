"""Weights and temperatures of distillation terms that change from epoch to epoch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ignite.engine import Engine, Events

from monai_tbkd.losses import DistillationObjective, Schedule

logger = logging.getLogger(__name__)
TEMPERATURES = {"temperature": "logits", "cell_temperature": "cells"}


class ScheduledTerms:
    """Set an objective's weights and temperatures at the start of each epoch.

    The first epoch has the start value, and the last one (of the schedule's share) the end value.

    Args:
        objective: whose weights and temperatures are set.
        schedules: by the name of a term (``label``, ``logits``, ``map``, ``cells``, ``attention``, ``explanation``: its
            weight) or ``temperature`` (of the logit term) or ``cell_temperature``; the arguments of
            :class:`~monai_tbkd.losses.Schedule`. What is not named stays as it is.

    Raises:
        ValueError: an unknown name, numbers that are no schedule, or a weight or temperature out of range at an end.

    Example:
        ``ScheduledTerms(objective, {"map": {"start": 1.0, "end": 0.0, "kind": "cosine"}})``
    """

    def __init__(self, objective: DistillationObjective, schedules: Mapping[str, Mapping[str, Any]] | None) -> None:
        self.objective = objective
        self.schedules: dict[str, Schedule] = {}
        known = (*objective.weights, *TEMPERATURES)
        for name, numbers in (schedules or {}).items():
            if name not in known:
                raise ValueError(f"There is a schedule for {name!r}; expected one of {', '.join(known)}.")
            try:
                self.schedules[name] = Schedule(**numbers)
            except TypeError as error:
                raise ValueError(
                    f"The schedule of {name} is {numbers}; expected start, and where it changes end, kind and share."
                ) from error
        weights = dict(objective.weights)
        for progress in (1.0, 0.0):  # what would stop the training in its course is said before it begins
            self._set(progress)
        objective.weights = weights

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Set the epoch's numbers."""
        last = max(1, (engine.state.max_epochs or 1) - 1)
        values = self._set((engine.state.epoch - 1) / last)
        if values:
            logger.info("Epoch %d: %s", engine.state.epoch, ", ".join(f"{k} {v:.4g}" for k, v in values.items()))

    def _set(self, progress: float) -> dict[str, float]:
        values = {name: schedule(progress) for name, schedule in self.schedules.items()}
        for name, value in values.items():
            if name not in TEMPERATURES:
                self.objective.set_weight(name, value)
                continue
            term = getattr(self.objective, TEMPERATURES[name])
            if term is None or not value > 0:
                raise ValueError(f"The schedule sets {name} to {value} of {type(term).__name__}; expected above 0, and "
                                 f"the {TEMPERATURES[name]} term to be there.")  # fmt: skip
            term.temperature = value
        return values
