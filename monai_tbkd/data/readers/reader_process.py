"""Decode in a child process with a limit on time and memory: decoders may crash or hang on damaged files."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import logging
import mmap
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from monai_tbkd.data.readers.decoded_image import DecodedImage
from monai_tbkd.data.readers.reason_codes import ImageError, ReasonCode, named_errors

SECONDS = 60.0
"""Longest time for one image."""
MEMORY = 4 * 2**30
"""Most memory in bytes that decoding one image may take, beside what the process has already."""

_MOST_PIXELS = 2**31  # 8 GB, whatever max_pixels is
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1
_own = threading.local()
_is_reader = False
Found = TypeVar("Found")


def is_reader() -> bool:
    """Return whether this process is one that `decode_apart` has started."""
    return _is_reader


def decode_apart(decode: Callable[..., Found], max_pixels: int, path: Path, *args: Any) -> Found:
    """Call a decoder in a child process, which is kept for the thread's next call.

    The process is forked, so that it has this one's imports. Where there is no fork (Windows), and in such a process,
    the decoder is called here.

    Args:
        decode: a function of a module, called with `path` and `args`, that returns something picklable.
        max_pixels: most pixels of a `DecodedImage` that it may return.
        path: of the file, for errors that do not name it.
        args: picklable.

    Raises:
        ImageError: what `decode` raises; READER_DIED where the process ended or was ended at a limit.
    """
    with named_errors(path):
        if _is_reader or not hasattr(os, "fork"):
            return decode(path, *args)
        process = getattr(_own, "process", None)
        if process is None or process.parent != os.getpid() or process.max_pixels < max_pixels:
            process = _own.process = _ReaderProcess(max_pixels)  # after a fork the parent's is not ours
        try:
            answer = process.call(decode, path, *args)
        except _EndedError as error:
            _own.process = None
            detail = f"the process that decodes it {error}; look at the file with other software"
            raise ImageError(ReasonCode.READER_DIED, detail=detail) from None
        except BaseException:  # such as Ctrl-C: the answer that is still to come must not be taken for the next image's
            _own.process = None
            process.end("was interrupted")
            raise
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]


class _EndedError(Exception):
    """How the process ended."""


class _ReaderProcess:
    def __init__(self, max_pixels: int) -> None:
        self.parent, self.max_pixels, self._pid = os.getpid(), max_pixels, 0
        self._pixels = mmap.mmap(-1, 4 * max(1, min(max_pixels, _MOST_PIXELS)))  # shared; what is written takes memory
        self._pipe, theirs = Pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                _serve(self.parent, theirs, self._pixels)
            finally:
                os._exit(1)
        theirs.close()

    def call(self, decode: Callable[..., Any], *args: Any) -> Any:
        """Return what the decoder returns or raises."""
        words = pickle.dumps((decode, args))
        until = time.monotonic() + SECONDS
        try:
            self._pipe.send_bytes(words)
            while not self._pipe.poll(min(max(until - time.monotonic(), 0), 1.0)):
                if time.monotonic() >= until:
                    raise _EndedError(self.end(f"took more than {SECONDS:g} seconds"))
                if self._has_ended():
                    raise _EndedError("ended")
            words = self._pipe.recv_bytes()
        except (OSError, EOFError):
            raise _EndedError(self.end()) from None
        found, shape = pickle.loads(words)
        if shape is None:
            return found
        return replace(found, pixels=np.frombuffer(self._pixels, np.float32, int(np.prod(shape))).reshape(shape).copy())

    def end(self, why: str = "") -> str:
        """Wait until the process has ended, killing it where `why` is given, and say how it ended."""
        self._pipe.close()
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

    def __del__(self) -> None:
        if self.parent == os.getpid() and self._pid:  # of a thread that has ended
            self.end("is not needed any more")


def _serve(parent: int, pipe: Connection, pixels: mmap.mmap) -> None:
    """Answer calls until the parent closes the pipe. Nothing of the parent's is run, at the end neither."""
    global _is_reader
    gc.freeze()  # the parent's garbage is not collected here, which would close files that are open again by then
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends this one
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if _LIBC is not None:  # end with the thread that has started this process, in the midst of an image as well
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended already
            return
    # What the parent has open, such as locks and sockets, would stay open with this process.
    os.closerange(3, pipe.fileno())
    os.closerange(pipe.fileno() + 1, 2**16)
    faulthandler.disable()
    # No log and no warning: another thread of the parent may have held the lock of its stream.
    _is_reader = True
    logging.disable()
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    with contextlib.suppress(OSError, ValueError):  # /proc may be closed
        _limit_memory()
    while True:
        decode, args = pickle.loads(pipe.recv_bytes())
        pipe.send_bytes(_answer(decode, args, pixels))


def _answer(decode: Callable[..., Any], args: Any, pixels: mmap.mmap) -> bytes:
    try:
        image = decode(*args)
        if not isinstance(image, DecodedImage):
            return pickle.dumps((image, None))
        if image.pixels.nbytes > len(pixels):
            raise ImageError(ReasonCode.TOO_LARGE, detail=f"{image.pixels.nbytes} bytes of pixels")
        np.frombuffer(pixels, np.float32, image.pixels.size)[:] = image.pixels.ravel()
        return pickle.dumps((replace(image, pixels=np.zeros((0, 0), np.float32)), image.pixels.shape))
    except MemoryError:
        error = ImageError(ReasonCode.TOO_LARGE, detail=f"decoding takes more than {MEMORY >> 20} MB")
        return pickle.dumps((error, None))
    except Exception as raised:
        try:
            words = pickle.dumps((raised, None))
            pickle.loads(words)  # what cannot be read there would be a fault of the parent
            return words
        except Exception:
            return pickle.dumps((RuntimeError(f"{type(raised).__name__}: {raised}"), None))


def _limit_memory() -> None:
    if resource is None or sys.platform != "linux":
        return
    pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    given = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([pages * resource.getpagesize() + MEMORY, *given]), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
