"""Progress and memory of a run over many images."""

from __future__ import annotations

import gc
import logging
import time

from ignite.engine import Engine, Events
from tqdm import tqdm

logger = logging.getLogger(__name__)


class ImageProgress:
    """Tell images done, images a second, time left and images without a score: a bar in a terminal, else log lines.

    Args:
        total: images of the whole run, of which an earlier run has done ``done``.
        bar: show a bar on standard error; otherwise a line goes to the log every ``every_seconds``.
        what: is counted, at the start of the bar or line.
    """

    def __init__(
        self, total: int, done: int = 0, bar: bool = True, every_seconds: float = 60, what: str = "images"
    ) -> None:
        self.total, self.done, self.bar, self.every_seconds, self.what = total, done, bar, every_seconds, what
        self.without_score = 0
        self._bar: tqdm | None = None
        self._began = self._last = 0.0
        self._at_start = done

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.update)
        engine.add_event_handler(Events.COMPLETED, self.close)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.abort)

    def start(self) -> None:
        """Show the bar."""
        self._began = self._last = time.perf_counter()
        self._at_start = self.done
        if self.bar:
            self._bar = tqdm(total=self.total, initial=self.done, unit="image", desc=self.what, dynamic_ncols=True)

    def update(self, engine: Engine) -> None:
        """Count the images of one batch of an evaluator."""
        self.without_score += sum(bool(each["reason"]) for each in engine.state.batch)
        if self._bar is not None:
            self._bar.set_postfix(without_score=self.without_score, refresh=False)
        self.advance(len(engine.state.batch), f", {self.without_score} without a score")

    def advance(self, number: int, more: str = "") -> None:
        """Count ``number`` images; ``more`` stands at the end of a line."""
        self.done += number
        if self._bar is not None:
            self._bar.update(number)
        elif time.perf_counter() - self._last >= self.every_seconds:
            self._last = time.perf_counter()
            speed = (self.done - self._at_start) / (self._last - self._began)
            logger.info(
                "%s: %d of %d, %.2f images/s, %.0f minutes left%s.",
                self.what, self.done, self.total, speed, (self.total - self.done) / speed / 60, more,
            )  # fmt: skip

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def abort(self, error: BaseException) -> None:
        """Remove the bar and raise the error again."""
        self.close()
        raise error


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
