"""Decode where it may die: in a process beside this one, with a limit on time and memory."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import logging
import mmap
import os
import pickle
import select
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from monai_tbkd.data.readers.decoded_film import DecodedFilm
from monai_tbkd.data.reason_codes import FilmError, ReasonCode

SECONDS = 60.0
"""Longest time for one image."""
MEMORY = 4 * 2**30
"""Most memory in bytes that decoding one image may take, beside what the process has already."""

_MOST_PIXELS = 2**31  # 8 GB, whatever max_pixels is
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1
_own = threading.local()
_is_reader = False  # whether this is such a process
_LENGTH = struct.Struct("<q")
Found = TypeVar("Found")


def is_reader() -> bool:
    """Whether this process is one that `decode_apart` has started."""
    return _is_reader


def decode_apart(decode: Callable[..., Found], max_pixels: int, path: Path, *args: Any) -> Found:
    """Decode a file in a process of its own, which is kept for the next one.

    The process is forked from this one, one a thread, so that it has its imports. Where there is no fork (Windows), and
    in such a process, the file is decoded here.

    Args:
        decode: a function of a module, called with `path` and `args`.
        max_pixels: most pixels of a `DecodedFilm` that it may return.
        path: of the file.
        args: picklable.

    Returns:
        What `decode` returns; picklable.

    Raises:
        FilmError: what `decode` raises; READER_DIED where the process ended or was ended at a limit.
    """
    if _is_reader or not hasattr(os, "fork"):
        return decode(path, *args)
    process = getattr(_own, "process", None)
    if process is None or process.parent != os.getpid() or process.max_pixels < max_pixels:
        process = _own.process = _ReaderProcess(max_pixels)  # after a fork the parent's is not ours
    try:
        return process.call(decode, path, *args)
    except _EndedError as error:
        _own.process = None
        raise FilmError(
            ReasonCode.READER_DIED, path, f"the process that decodes it {error}; look at the file with other software"
        ) from None
    except _DecodeError as error:
        raise error.cause from None
    except BaseException:  # such as Ctrl-C: the answer that is still to come is of no later image
        _own.process = None
        process.end("was interrupted")
        raise


class _EndedError(Exception):
    """How the process ended."""


class _DecodeError(Exception):
    """What the decoder has raised."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class _ReaderProcess:
    def __init__(self, max_pixels: int) -> None:
        self.parent, self.max_pixels, self._pid = os.getpid(), max_pixels, 0
        self._pixels = mmap.mmap(-1, 4 * max(1, min(max_pixels, _MOST_PIXELS)))  # shared; what is written takes memory
        request, self._request = os.pipe()
        self._answer, answer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(self._request)
                os.close(self._answer)
                _serve(self.parent, request, answer, self._pixels)
            finally:
                os._exit(1)
        os.close(request)
        os.close(answer)

    def call(self, decode: Callable[..., Found], *args: Any) -> Found:
        """Send, wait, and take what was found over."""
        words = pickle.dumps((decode, args))
        try:
            _write(self._request, words)
        except OSError:
            raise _EndedError(self.end()) from None
        answer = self._wait()
        if isinstance(answer, Exception):
            raise _DecodeError(answer)
        found, shape = answer
        if shape is None:
            return found  # type: ignore[no-any-return]
        size = int(np.prod(shape))
        return replace(found, pixels=np.frombuffer(self._pixels, np.float32, size).reshape(shape).copy())  # type: ignore[no-any-return]

    def _wait(self) -> Any:
        until, received = time.monotonic() + SECONDS, b""
        while len(received) < _LENGTH.size or len(received) < _LENGTH.size + _LENGTH.unpack_from(received)[0]:
            left = until - time.monotonic()
            if left <= 0:
                raise _EndedError(self.end(f"took more than {SECONDS:g} seconds"))
            if not select.select([self._answer], [], [], min(left, 1.0))[0]:
                if self._has_ended():
                    raise _EndedError("ended")
                continue
            part = os.read(self._answer, 2**20)
            if not part:
                raise _EndedError(self.end())
            received += part
        return pickle.loads(received[_LENGTH.size :])

    def end(self, why: str = "") -> str:
        """Make sure that it has ended, and say how."""
        self._close()
        if not self._pid:
            return why or "ended"
        if why:
            with contextlib.suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)
        try:
            _, status = os.waitpid(self._pid, 0)
        except ChildProcessError:  # where SIGCHLD is ignored
            status, why = 0, why or "ended"
        self._pid = 0
        if why:
            return why
        return f"was ended by {signal.Signals(status & 127).name}" if status & 127 else f"ended with {status >> 8}"

    def _has_ended(self) -> bool:
        try:
            ended = os.waitpid(self._pid, os.WNOHANG)[0] != 0
        except ChildProcessError:  # where SIGCHLD is ignored, it is told by its answers alone
            return False
        self._pid = 0 if ended else self._pid
        return ended

    def _close(self) -> None:
        for end in (self._request, self._answer):
            with contextlib.suppress(OSError):
                os.close(end)

    def __del__(self) -> None:
        if self.parent == os.getpid() and self._pid:  # of a thread that has ended
            self.end("is not needed any more")


def _serve(parent: int, request: int, answer: int, pixels: mmap.mmap) -> NoReturn:
    """Decode until no one asks any more. Nothing of the parent's is run, at the end neither."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends this one
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _end_with(parent)
        _close_others(request, answer)
        faulthandler.disable()
        _be_silent()
        with contextlib.suppress(OSError, ValueError):  # /proc may be closed
            _limit_memory()
        while words := _read(request):
            decode, args = pickle.loads(words)
            _write(answer, _answer(decode, args, pixels))
    except BaseException:
        os._exit(1)
    os._exit(0)


def _be_silent() -> None:
    """Write no log and no warning: another thread of the parent may have held the lock of its stream."""
    global _is_reader
    _is_reader = True
    logging.disable()
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def _answer(decode: Callable[..., Any], args: Any, pixels: mmap.mmap) -> bytes:
    try:
        film = decode(*args)
        if not isinstance(film, DecodedFilm):
            return pickle.dumps((film, None))
        if film.pixels.nbytes > len(pixels):
            raise FilmError(ReasonCode.TOO_LARGE, args[0], f"{film.pixels.nbytes} bytes of pixels")
        np.frombuffer(pixels, np.float32, film.pixels.size)[:] = film.pixels.ravel()
        return pickle.dumps((replace(film, pixels=np.zeros((0, 0), np.float32)), film.pixels.shape))
    except MemoryError:
        return pickle.dumps(FilmError(ReasonCode.TOO_LARGE, args[0], f"decoding takes more than {MEMORY >> 20} MB"))
    except Exception as error:
        try:
            words = pickle.dumps(error)
            pickle.loads(words)  # what cannot be read there would be a fault of the parent
            return words
        except Exception:
            return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def _end_with(parent: int) -> None:
    """End when the thread ends that has started this process, in the midst of an image as well."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended already
            os._exit(1)


def _close_others(*kept: int) -> None:
    """Close what the parent has open, such as locks and sockets, which would stay open with this process."""
    start = 3
    for number in (*sorted(kept), 2**16):
        os.closerange(start, number)
        start = number + 1


def _limit_memory() -> None:
    if resource is None or sys.platform != "linux":
        return
    pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    for given in (soft, hard):
        limit = limit if given == resource.RLIM_INFINITY else min(limit, given)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _write(end: int, words: bytes) -> None:
    view = memoryview(_LENGTH.pack(len(words)) + words)
    while view:
        view = view[os.write(end, view) :]


def _read(end: int) -> bytes:
    """One message; nothing at the end of all."""
    head = _exactly(end, _LENGTH.size)
    return _exactly(end, _LENGTH.unpack(head)[0]) if head else b""


def _exactly(end: int, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = os.read(end, size - len(found))
        if not part:
            return b""
        found += part
    return found
