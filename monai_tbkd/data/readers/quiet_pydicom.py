"""Suppress logs and warnings of pydicom and highdicom."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_lock, _wanted, _until = threading.Lock(), 0, ExitStack()


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # a thread of the parent may hold the lock
    os.register_at_fork(after_in_child=_new_lock)


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Suppress what pydicom and highdicom say of odd values, which may quote patient data, as long as any thread wants.

    An error that they log with a traceback is told by a reason here.
    """
    _change(1)
    try:
        yield
    finally:
        _change(-1)


def _change(by: int) -> None:
    global _wanted
    with _lock:
        if _wanted == 0:
            _until.enter_context(_silenced())
        _wanted += by
        if _wanted == 0:
            _until.close()


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
