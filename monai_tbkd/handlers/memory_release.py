"""Memory of films that are done, given back at once."""

from __future__ import annotations

import gc

from ignite.engine import Engine, Events


class MemoryRelease:
    """Collect after each batch what refers to itself, so that memory depends on the films in work, not on their number.

    DICOM results and web requests are made of objects in reference cycles, which Python looks for the more rarely the
    more objects a program has. Till then they lie between the large arrays of films, and the memory there goes back to
    nobody (``benchmarks/pacs_run.py`` measures it). What was there before the run is not looked through each time.
    """

    def attach(self, engine: Engine) -> None:
        """Register with an engine."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, gc.unfreeze)

    def start(self) -> None:
        """Leave out what the program itself holds."""
        gc.collect()
        gc.freeze()

    def __call__(self) -> None:
        """Collect."""
        gc.collect()
