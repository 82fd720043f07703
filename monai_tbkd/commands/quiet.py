"""Silence libraries, so that a command prints only what it has to say."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop warnings and logs of libraries and what decoders in C print; this package's warnings stay."""
    root, own = logging.getLogger(), logging.getLogger("monai_tbkd")
    levels, handlers = (root.level, own.level), root.handlers[:]
    with _detached("stdout"), _detached("stderr"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.basicConfig(level=logging.CRITICAL, format="%(message)s", stream=sys.stderr, force=True)
        own.setLevel(logging.WARNING)
        try:
            yield
        finally:
            root.handlers[:] = handlers
            root.setLevel(levels[0])
            own.setLevel(levels[1])


@contextlib.contextmanager
def _detached(name: str) -> Iterator[None]:
    """Move a standard stream to a copy of its descriptor, and drop what others write to the descriptor."""
    stream = getattr(sys, name)
    try:
        number = stream.fileno()
    except (OSError, ValueError, AttributeError):  # in a notebook, or closed
        number = -1
    if number not in (1, 2):
        yield
        return
    stream.flush()
    own = open(os.dup(number), "w", encoding=stream.encoding, errors=stream.errors, buffering=1)  # noqa: SIM115
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), number)
    setattr(sys, name, own)
    try:
        yield
    finally:
        os.dup2(own.fileno(), number)
        setattr(sys, name, stream)
        with contextlib.suppress(BrokenPipeError):
            own.close()
