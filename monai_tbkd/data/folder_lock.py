"""One program at a time in a folder."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Self


class FolderLock:
    """Holds a folder until it is released or the program ends, however it ends; nothing is left in the folder.

    Where the system has no ``flock``, as on Windows, nothing is held.

    Args:
        folder: it is made.
        wait: until the other lets go, rather than to give up.

    Raises:
        ValueError: another program holds it, and `wait` is false.
    """

    def __init__(self, folder: Path, wait: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            import fcntl
        except ImportError:
            self._handle = -1
            return
        self._handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(self._handle)
            self._handle = -1
            raise ValueError(f"{folder}: another run is at work in this folder; give another --output.") from None
        except OSError:  # a file system that knows no locks
            self.release()

    def release(self) -> None:
        """Let others in."""
        handle, self._handle = self._handle, -1
        with contextlib.suppress(OSError):
            os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()
