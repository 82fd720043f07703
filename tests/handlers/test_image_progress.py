from __future__ import annotations

import gc
import logging
import sys
import weakref

import pytest
import torch
from ignite.engine import Engine, Events

from monai_tbkd.engines.preparation import with_progress
from monai_tbkd.handlers import MemoryRelease, image_progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(image_progress.time, "perf_counter", lambda: now[0])
    return now


@pytest.mark.parametrize("terminal", [False, True])
def test_a_log_gets_a_line_every_half_a_minute(
    terminal: bool, clock: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    batches = [{"image": torch.zeros(4, 1)}] * 9 + [{"image": torch.zeros(2, 1)}]
    given = []
    with caplog.at_level(logging.INFO):
        for batch in with_progress(batches, 38, "features"):
            given.append(batch)
            clock[0] += 12
    assert given == batches
    lines = [
        "features: 12 of 38, 0.33 images/s, 1 minutes left.",
        "features: 24 of 38, 0.33 images/s, 1 minutes left.",
        "features: 36 of 38, 0.33 images/s, 0 minutes left.",
    ]
    assert caplog.messages == [] if terminal else caplog.messages == lines


def test_the_bar_goes_away_when_a_run_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(image_progress.ImageProgress, "close", lambda self: closed.append(self.done))
    rows = with_progress([{"image": [0, 1]}] * 3, 6, "features")
    next(rows), next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert closed == [2]


class Itself:
    """An object that refers to itself, as highdicom's do."""

    def __init__(self) -> None:
        self.own = self


def left_after_each_batch(handler: MemoryRelease | None) -> list[int]:
    made: list[weakref.ref[Itself]] = []
    left: list[int] = []
    engine = Engine(lambda engine, batch: made.append(weakref.ref(Itself())))
    if handler is not None:
        handler.attach(engine)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: left.append(sum(ref() is not None for ref in made)))
    gc.freeze()  # what other tests have left takes long to look through
    gc.disable()
    try:
        engine.run([0, 1, 2])
    finally:
        gc.enable()
    return left


def test_nothing_is_left_after_a_batch_and_nothing_stays_frozen() -> None:
    assert left_after_each_batch(None) == [1, 2, 3]
    assert left_after_each_batch(MemoryRelease()) == [0, 0, 0]
    assert gc.get_freeze_count() == 0
