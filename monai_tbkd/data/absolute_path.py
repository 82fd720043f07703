"""Absolute paths that keep a data set's own names."""

from __future__ import annotations

import os
from pathlib import Path


def absolute_path(path: str | os.PathLike[str]) -> Path:
    """Make a path absolute, without ``..`` and ``~``, and without following links.

    Args:
        path: a path, relative to the working directory or not.

    Returns:
        The path; it need not exist. A data set whose films are links into a store keeps the names of the links.

    Example:
        >>> absolute_path("/films/../films/a.png").as_posix()
        '/films/a.png'
    """
    try:
        path = Path(path).expanduser()
    except RuntimeError:  # "~nobody": a user that there is not; then it is a name like others
        path = Path(path)
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
