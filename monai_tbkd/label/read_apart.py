"""Labels and images are read in processes of their own, two at a time, however many threads of a server ask."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from monai_tbkd.data.readers.reader_process import decode_apart, is_reader

Found = TypeVar("Found")
_AT_ONCE = 2  # each may hold an image, and take the memory of `reader_process.MEMORY`


def read_apart(read: Callable[..., Found], path: Path, *args: Any) -> Found:
    """Call a function that reads a file in a process with a limit on time and memory.

    Args:
        read: a function of a module, called with `path` and `args`.
        path: of the file.
        args: picklable.

    Returns:
        What `read` returns; picklable.

    Raises:
        FilmError: READER_DIED where the process ended or was ended at a limit, TOO_LARGE where it took too much memory;
            and what `read` raises.
    """
    if is_reader():
        return read(path, *args)
    return _threads.submit(decode_apart, read, 0, path, *args).result()


def _start() -> None:
    global _threads
    _threads = ThreadPoolExecutor(_AT_ONCE, "reader")  # a reader process ends with the thread that has started it


_threads: ThreadPoolExecutor
_start()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start)
