"""A large film in parts, so that what is done in 64 bits does not need gigabytes."""

from __future__ import annotations

from collections.abc import Iterator

_PIXELS = 2**20


def strips(height: int, width: int) -> Iterator[slice]:
    """Rows of a film, about a million pixels at a time.

    Args:
        height: rows of the film.
        width: columns of the film.

    Yields:
        Slices of rows that cover the film.

    Example:
        >>> list(strips(3, 2**19))
        [slice(0, 2, None), slice(2, 3, None)]
    """
    step = max(1, _PIXELS // max(width, 1))
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))
