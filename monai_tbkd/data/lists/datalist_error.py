"""Errors of a data set as a whole."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import yaml


class DatalistError(ValueError):
    """A data set that cannot be used; the message says what is wrong, where, and how to fix it."""


def name_first(names: Iterable[object]) -> str:
    """Count names and spell out the first of them.

    Example:
        >>> name_first(["a", "b"]), name_first("abcd")
        ('2: a, b', '4: a, b, c, ...')
    """
    listed = [str(name) for name in names]
    return f"{len(listed)}: {', '.join(listed[:3])}{', ...' if len(listed) > 3 else ''}"


def refuse(where: object, what: str, names: Iterable[object], fix: str) -> None:
    """Raise a `DatalistError`, ``where: what (count: the first names); fix``, unless there are no names."""
    listed = list(names)
    if listed:
        raise DatalistError(f"{where}: {what} ({name_first(listed)}); {fix}.")


@contextmanager
def refused_unless_read(path: object, what: str, fix: str) -> Iterator[None]:
    """Turn any error of reading or understanding a file into a `DatalistError`, ``path: what (the error); fix``."""
    try:
        yield
    except (OSError, ValueError, csv.Error, yaml.YAMLError) as error:
        raise DatalistError(f"{path}: {what} ({error}); {fix}.") from error
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DatalistError(f"{path}: {what} ({type(error).__name__}: {error}); {fix}.") from error
