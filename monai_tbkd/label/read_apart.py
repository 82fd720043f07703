"""Read labels and images in processes of their own, two at a time, however many threads of a server ask."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from monai_tbkd.data.readers.reader_process import decode_apart, is_reader

Found = TypeVar("Found")


def read_apart(read: Callable[..., Found], path: Path, *args: Any) -> Found:
    """Call ``read(path, *args)``, a function of a module, in a process with a limit on time and memory.

    Raises:
        ImageError: READER_DIED where the process ended or was ended at a limit, TOO_LARGE where it took too much
            memory; and what `read` raises.
    """
    return read(path, *args) if is_reader() else _threads.submit(decode_apart, read, 0, path, *args).result()


def _start() -> None:
    global _threads
    # A reader process ends with the thread that has started it; each may take the memory of `reader_process.MEMORY`.
    _threads = ThreadPoolExecutor(2, "reader")


_threads: ThreadPoolExecutor
_start()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start)
