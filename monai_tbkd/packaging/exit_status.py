"""The exit status of a command that goes through MONAI's bundle runner."""

from __future__ import annotations

import sys

FILMS_FAILED = 3
"""Some films could not be processed; the others are done."""


def end_with(status: int) -> None:
    """End ``python -m monai.bundle run`` with a status; do nothing where a workflow runs inside another program.

    Args:
        status: 0 is none.

    Raises:
        SystemExit: a status other than 0, in a process that was started as ``python -m monai.bundle``.
    """
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if status and getattr(spec, "name", "") == "monai.bundle.__main__":
        raise SystemExit(status)
