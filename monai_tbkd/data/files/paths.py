"""Absolute paths that keep a data set's own names, the order of names, and hashes of files."""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path

_DIGITS = re.compile(r"(\d+)")


def absolute_path(path: str | os.PathLike[str]) -> Path:
    """Make a path absolute, without ``..`` and ``~``, and without following links; it need not exist.

    Example:
        >>> absolute_path("/images/../images/a.png").as_posix()
        '/images/a.png'
    """
    try:
        path = Path(path).expanduser()
    except RuntimeError:  # "~nobody": a user that there is not; then it is a name like others
        path = Path(path)
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key that compares runs of digits by value; equal only for equal names.

    Not natsort's, since this code travels with a packaged bundle.

    Example:
        >>> sorted(["f10.png", "f2.png", "F1.png"], key=natural_key)
        ['F1.png', 'f2.png', 'f10.png']
    """
    # split puts the digits at odd positions
    parts = enumerate(_DIGITS.split(name))
    return [(0, int(part), "") if i % 2 else (1, 0, part.lower()) for i, part in parts if part], name


def content_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal; it is read again only when its size or time change."""
    found = Path(path).stat()
    return _content_sha256(os.fspath(path), found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=200_000)
def _content_sha256(path: str, size: int, time: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
