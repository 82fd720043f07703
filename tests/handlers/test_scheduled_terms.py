from __future__ import annotations

from typing import Any

import pytest
from ignite.engine import Engine, Events

from monai_tbkd.handlers import ScheduledTerms
from monai_tbkd.losses import DistillationObjective, LabelLoss, LogitDistillationLoss, MapDistillationLoss
from monai_tbkd.networks import AverageMapPool


def objective() -> DistillationObjective:
    return DistillationObjective(AverageMapPool(), LabelLoss(), LogitDistillationLoss(4.0), MapDistillationLoss())


def test_every_epoch_has_its_weight_and_temperature() -> None:
    terms, seen = objective(), []
    schedules = {
        "map": {"start": 0.0, "end": 1.0, "kind": "linear"},
        "temperature": {"start": 4.0, "end": 1.0, "kind": "linear", "share": 0.5},
    }
    handler = ScheduledTerms(terms, schedules)
    assert terms.weights["map"] == 0.0
    engine = Engine(lambda engine, batch: None)
    handler.attach(engine)
    engine.add_event_handler(
        Events.ITERATION_COMPLETED,
        lambda: seen.append((terms.weights["map"], terms.logits.temperature, terms.needs_teacher)),
    )
    engine.run([0], max_epochs=5)
    assert seen == [(0.0, 4.0, False), (0.25, 2.5, True), (0.5, 1.0, True), (0.75, 1.0, True), (1.0, 1.0, True)]
    assert terms.weights["label"] == 1.0


@pytest.mark.parametrize("none", [None, {}])
def test_nothing_scheduled_changes_nothing(none: Any) -> None:
    terms = objective()
    before = dict(terms.weights)
    handler = ScheduledTerms(terms, none)
    engine = Engine(lambda engine, batch: None)
    handler.attach(engine)
    engine.run([0], max_epochs=2)
    assert terms.weights == before
    assert terms.logits.temperature == 4.0


@pytest.mark.parametrize(
    ("schedules", "message"),
    [
        ({"maps": {"start": 1.0}}, "'maps'; expected one of label, logits, map"),
        ({"map": {"begin": 1.0}}, "expected start"),
        ({"map": 1.0}, "expected start"),
        ({"map": {"start": 1.0, "end": -1.0, "kind": "linear"}}, "map term is -1"),
        ({"cells": {"start": 1.0}}, "cells term has weight 1.0 but no loss"),
        ({"temperature": {"start": 4.0, "end": 0.0, "kind": "cosine"}}, "temperature to 0.0"),
        ({"cell_temperature": {"start": 1.0}}, "cells term to be there"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(schedules: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScheduledTerms(objective(), schedules)
