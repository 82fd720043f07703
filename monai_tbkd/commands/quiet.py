"""Only what the program itself has to say."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet(verbose: bool = False) -> Iterator[None]:
    """Leave out what libraries write: their warnings, their logs, and what decoders in C print.

    This program's own log keeps its warnings. Its standard streams go on; what is written to their file descriptors
    by others is dropped.

    Args:
        verbose: leave out nothing.
    """
    if verbose:
        yield
        return
    root, own = logging.getLogger(), logging.getLogger("monai_tbkd")
    levels, handlers = (root.level, own.level), root.handlers[:]
    with _streams_of_our_own(), warnings.catch_warnings():
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
def _streams_of_our_own() -> Iterator[None]:
    """Python's standard streams on copies of their descriptors, and nothing behind the descriptors themselves."""
    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    kept: dict[int, int] = {}
    for name, stream in streams.items():
        try:
            number = stream.fileno()
        except (OSError, ValueError, AttributeError, io.UnsupportedOperation):  # as in a notebook, or closed
            continue
        if number not in (1, 2):
            continue
        stream.flush()
        kept[number] = os.dup(number)
        copy = open(os.dup(number), "w", encoding=stream.encoding, errors=stream.errors, buffering=1)  # noqa: SIM115
        setattr(sys, name, copy)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
    try:
        yield
    finally:
        for number, copy_of in kept.items():
            os.dup2(copy_of, number)
            os.close(copy_of)
        for name, stream in streams.items():
            own = getattr(sys, name)
            setattr(sys, name, stream)
            if own is not stream:
                with contextlib.suppress(BrokenPipeError):
                    own.close()
