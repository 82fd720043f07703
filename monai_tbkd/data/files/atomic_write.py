"""Atomic writes: files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monai_tbkd.data.files.outside_text import read_text


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a file beside `path` to write to; it replaces `path` when all went well, or else is removed.

    Raises:
        OSError: it cannot be written; with its name, which the system leaves out where a disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with faults_of(path):
            yield part
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def faults_of(path: str | Path) -> Iterator[None]:
    """Add a file's or folder's name to a system error that has none, as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def read_json_object(path: str | Path) -> dict[str, Any]:
    """Read a dictionary that `write_json` wrote; empty where there is none, or something else."""
    try:
        content = json.loads(read_text(path))
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair could not be sent on
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON atomically, so that a killed run leaves the old file or the new one.

    Raises:
        ValueError: nan or infinity, which JSON does not have.
    """
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")
