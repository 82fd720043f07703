"""What pydicom and highdicom say of odd files is kept back."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


class _Silence:
    """Holds as long as anyone wants it: an image is fetched in a thread beside the one in work."""

    def __init__(self) -> None:
        self.lock, self.wanted, self.until = threading.Lock(), 0, ExitStack()

    def change(self, by: int) -> None:
        with self.lock:
            if self.wanted == 0:
                self.until.enter_context(_silenced())
            self.wanted += by
            if self.wanted == 0:
                self.until.close()


_silence = _Silence()
if hasattr(os, "register_at_fork"):  # a thread of the parent may hold the lock
    os.register_at_fork(after_in_child=lambda: setattr(_silence, "lock", threading.Lock()))


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep back what pydicom, and highdicom with it, say of odd values of odd files.

    They often quote them, and so at times patient data. pydicom also logs a traceback for a stream that cannot be
    decoded, which is told by a reason here.
    """
    _silence.change(1)
    try:
        yield
    finally:
        _silence.change(-1)


@contextmanager
def _silenced() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
