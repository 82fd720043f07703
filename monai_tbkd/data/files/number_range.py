"""Check numbers that a user gives."""

from __future__ import annotations

import math


def is_number(value: object, low: float = -math.inf, high: float = math.inf) -> bool:
    """Whether a value is a finite number within bounds; text that looks like one, and true and false, are not.

    Example:
        >>> is_number(0.5, 0, 1), is_number("0.5", 0, 1), is_number(float("nan")), is_number(10**400)
        (True, False, False, False)
    """
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return False
    try:
        return math.isfinite(float(value)) and low <= float(value) <= high
    except (ValueError, TypeError, OverflowError):
        return False
