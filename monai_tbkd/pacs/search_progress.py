"""How far the way through an archive is."""

from __future__ import annotations

import logging
import time
from collections import Counter

from tqdm import tqdm

logger = logging.getLogger(__name__)


class SearchProgress:
    """Studies looked at, time left, and what became of their films: a bar in a terminal, now and then a line else.

    Args:
        total: studies.
        bar: show a bar on standard error; otherwise a line goes to the log.
        every_seconds: between two lines.
    """

    def __init__(self, total: int, bar: bool = True, every_seconds: float = 60) -> None:
        self.total, self.every_seconds = total, every_seconds
        self.done = 0
        self.films: Counter[str] = Counter()
        self._bar = tqdm(total=total, unit="study", desc="studies", dynamic_ncols=True, disable=not bar)
        self._show = not bar
        self._last = time.perf_counter()

    def study(self) -> None:
        """Count a study that has been looked into."""
        self.done += 1
        self._bar.update(1)
        self._tell()

    def film(self, status: str) -> None:
        """Count a film by what became of it."""
        self.films[status] += 1
        self._bar.set_postfix(dict(self.films), refresh=True)
        self._tell()

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()

    def _tell(self) -> None:
        if self._show and time.perf_counter() - self._last >= self.every_seconds:
            self._last = time.perf_counter()
            films = ", ".join(f"{number} {status}" for status, number in self.films.items()) or "none yet"
            logger.info("%d of %d studies; films: %s.", self.done, self.total, films)
