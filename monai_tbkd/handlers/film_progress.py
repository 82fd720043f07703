"""How far an inference is."""

from __future__ import annotations

import logging
import time

from ignite.engine import Engine, Events
from tqdm import tqdm

logger = logging.getLogger(__name__)


class FilmProgress:
    """Films done, films a second, time left and films without a score: a bar in a terminal, now and then a line else.

    Args:
        total: films of the whole run.
        done: films that a run before has done.
        bar: show a bar on standard error; otherwise a line goes to the log.
        every_seconds: between two lines.
    """

    def __init__(self, total: int, done: int = 0, bar: bool = True, every_seconds: float = 60) -> None:
        self.total, self.done, self.bar, self.every_seconds = total, done, bar, every_seconds
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
            self._bar = tqdm(total=self.total, initial=self.done, unit="film", desc="films", dynamic_ncols=True)

    def update(self, engine: Engine) -> None:
        """Count the films of one batch."""
        films = engine.state.batch
        self.done += len(films)
        self.without_score += sum(bool(film["reason"]) for film in films)
        if self._bar is not None:
            self._bar.set_postfix(without_score=self.without_score, refresh=False)
            self._bar.update(len(films))
        elif time.perf_counter() - self._last >= self.every_seconds:
            self._last = time.perf_counter()
            speed = (self.done - self._at_start) / (self._last - self._began)
            logger.info(
                "%d of %d films, %.2f films/s, %.0f minutes left, %d without a score.",
                self.done, self.total, speed, (self.total - self.done) / speed / 60, self.without_score,
            )  # fmt: skip

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def abort(self, error: BaseException) -> None:
        """Take the bar away, and let the error through."""
        self.close()
        raise error
