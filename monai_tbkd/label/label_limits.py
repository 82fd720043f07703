"""How much a label may hold; checked before any work is done on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LARGEST_TEXT = 4 * 2**20
"""Bytes of JSON or XML."""
MOST_BOXES = 1000
"""Boxes, shapes or parts of a mask."""
MOST_POINTS = 100_000
"""Points of a shape."""


def read_text_label(path: Path) -> bytes:
    """The content of a label that is text.

    Raises:
        ValueError: it is larger than `LARGEST_TEXT`.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise ValueError(f"The label has more than {LARGEST_TEXT} bytes; expected boxes of one image.")
    return content


def few(items: Any, what: str = "boxes", most: int = MOST_BOXES) -> Any:
    """The same, if it is a list that is short enough.

    Args:
        items: of JSON or XML.
        what: they are, for the error.
        most: that there may be.

    Raises:
        ValueError: no list, or more.

    Example:
        >>> few([[1, 2, 3, 4]])
        [[1, 2, 3, 4]]
    """
    if isinstance(items, str) or not hasattr(items, "__len__"):
        raise ValueError(f"The {what} are {str(items)[:40]!r}; expected a list.")
    if len(items) > most:
        raise ValueError(f"The label has {len(items)} {what}; expected at most {most}.")
    return items
