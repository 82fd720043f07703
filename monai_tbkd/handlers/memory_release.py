"""Garbage collection after each batch."""

from __future__ import annotations

import gc

from ignite.engine import Engine, Events


class MemoryRelease:
    """Collect reference cycles after each batch, so that memory depends on the images in work, not on their number.

    DICOM results and web requests consist of objects in reference cycles, which Python collects rarely and whose memory
    lies between the large arrays of images (``benchmarks/pacs_run.py``). Unlike MONAI's ``GarbageCollector``, what was
    there before the run is frozen and not traversed each time.
    """

    def attach(self, engine: Engine) -> None:
        """Register with an engine."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, gc.unfreeze)

    def start(self) -> None:
        """Freeze what the program holds."""
        gc.collect()
        gc.freeze()

    def __call__(self) -> None:
        """Collect."""
        gc.collect()
