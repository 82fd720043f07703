from __future__ import annotations

import gc
import weakref

from ignite.engine import Engine, Events

from monai_tbkd.handlers import MemoryRelease


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
