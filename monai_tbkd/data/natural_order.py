"""Sort names as people do: film 2 before film 10."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"(\d+)")


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key that compares runs of digits by value.

    Args:
        name: for example a path.

    Returns:
        The key; equal only for equal names.

    Example:
        >>> sorted(["f10.png", "f2.png", "F1.png"], key=natural_key)
        ['F1.png', 'f2.png', 'f10.png']
    """
    parts = _DIGITS.split(name)
    # isdecimal() by position: split puts the digits at odd places.
    key = [(0, int(part), "") if place % 2 else (1, 0, part.lower()) for place, part in enumerate(parts) if part]
    return key, name
