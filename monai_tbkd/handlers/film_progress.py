"""How far a run over many films is."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

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
        what: is done with films, at the start of the bar or line.
    """

    def __init__(
        self, total: int, done: int = 0, bar: bool = True, every_seconds: float = 60, what: str = "films"
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
            self._bar = tqdm(total=self.total, initial=self.done, unit="film", desc=self.what, dynamic_ncols=True)

    def update(self, engine: Engine) -> None:
        """Count the films of one batch of an evaluator."""
        films = engine.state.batch
        self.without_score += sum(bool(film["reason"]) for film in films)
        if self._bar is not None:
            self._bar.set_postfix(without_score=self.without_score, refresh=False)
        self.advance(len(films), f", {self.without_score} without a score")

    def advance(self, films: int, more: str = "") -> None:
        """Count films.

        Args:
            films: how many more are done.
            more: for the end of a line.
        """
        self.done += films
        if self._bar is not None:
            self._bar.update(films)
        elif time.perf_counter() - self._last >= self.every_seconds:
            self._last = time.perf_counter()
            speed = (self.done - self._at_start) / (self._last - self._began)
            logger.info(
                "%s: %d of %d, %.2f films/s, %.0f minutes left%s.",
                self.what, self.done, self.total, speed, (self.total - self.done) / speed / 60, more,
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


def with_progress(batches: Iterable[dict[str, Any]], films: int, what: str) -> Iterator[dict[str, Any]]:
    """Batches, and how far they are: a bar in a terminal, else a line in the log every half a minute.

    Args:
        batches: with ``image``.
        films: in all batches.
        what: is done with them.
    """
    progress = FilmProgress(films, bar=sys.stderr.isatty(), every_seconds=30, what=what)
    progress.start()
    try:
        for batch in batches:
            yield batch
            progress.advance(len(batch["image"]))
    finally:
        progress.close()
