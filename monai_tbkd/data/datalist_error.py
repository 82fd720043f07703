"""A data set that cannot be trained on, said before training starts."""

from __future__ import annotations

from collections.abc import Iterable


class DatalistError(ValueError):
    """The data set as a whole is at fault; the message names the fault, where it is, and the mend."""


def name_first(names: Iterable[object], most: int = 3) -> str:
    """Count names and spell out the first of them.

    Args:
        names: the names.
        most: how many to spell out.

    Returns:
        For example ``"5: a, b, c, ..."``.

    Example:
        >>> name_first(["a", "b"]), name_first("abcd")
        ('2: a, b', '4: a, b, c, ...')
    """
    listed = [str(name) for name in names]
    return f"{len(listed)}: {', '.join(listed[:most])}{', ...' if len(listed) > most else ''}"
