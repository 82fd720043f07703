"""Values of DICOM elements, read also where something else stands in them than the standard asks for."""

from __future__ import annotations

import math
import re
from collections.abc import MutableSequence
from typing import Any

from pydicom import Dataset


def values_of(ds: Dataset, keyword: str) -> list[Any]:
    """The values of an element; none where it is missing or empty.

    pydicom refuses the whole element where one value is not of the kind that its VR asks for. Then the values are
    taken as text.

    Args:
        ds: the data set.
        keyword: of the element.

    Returns:
        The values, in order; an empty one among several is ``""`` or None.

    Example:
        >>> ds = Dataset()
        >>> ds.WindowCenter = ["2048", "100"]
        >>> [float(each) for each in values_of(ds, "WindowCenter")], values_of(ds, "WindowWidth")
        ([2048.0, 100.0], [])
    """
    try:
        value = ds.get(keyword)
    except (ValueError, TypeError, OverflowError):
        value = getattr(ds.get_item(keyword), "value", None)
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        value = value.strip("\0 ")
        value = value.split("\\") if value else None
    if value is None:
        return []
    return list(value) if isinstance(value, MutableSequence) else [value]


def numbers(ds: Dataset, keyword: str) -> list[float | None]:
    """The values of an element as numbers.

    Args:
        ds: the data set.
        keyword: of the element.

    Returns:
        A number for each value, None where it is none, or is not finite.

    Example:
        >>> ds = Dataset()
        >>> ds.add_new("SeriesDescription", "LO", ["1.5", "1,5", "NaN"])
        >>> numbers(ds, "SeriesDescription")
        [1.5, None, None]
    """
    return [_number(value) for value in values_of(ds, keyword)]


def text_of(ds: Dataset, keyword: str) -> str:
    """The first value of an element as text, in capitals; the empty string where there is none."""
    values = values_of(ds, keyword)
    return str(values[0] or "").strip("\0 ").upper() if values else ""


def spacing_of(ds: Dataset, keyword: str) -> tuple[float, float] | None:
    """A spacing in mm (between rows, between columns), None where there is none, or no two numbers above 0.

    Some exporters write 0 where they know nothing.
    """
    found = [number for number in numbers(ds, keyword) if number is not None and number > 0]
    return (found[0], found[1]) if len(found) == len(values_of(ds, keyword)) == 2 else None


def sequence_items(ds: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is missing, empty or no sequence."""
    return [item for item in values_of(ds, keyword) if isinstance(item, Dataset)]


def quoted_values(ds: Dataset, keyword: str) -> str:
    """What stands in an element of numbers, as it may stand in a message.

    A damaged length makes an element run over its neighbors, the patient's name included, so anything that does not
    look like a number or a code is not quoted.

    Example:
        >>> ds = Dataset()
        >>> ds.add_new("SeriesDescription", "LO", "1,5")
        >>> quoted_values(ds, "SeriesDescription")
        "'1,5'"
    """
    text = "\\".join(str("" if value is None else value) for value in values_of(ds, keyword))
    known = re.fullmatch(r"[0-9.,+\[\]() \\eE-]{0,32}|[A-Z_/\\]{1,32}|[A-Za-z]{1,8}", text)
    return f"'{text}'" if known else "an odd value"


def _number(value: Any) -> float | None:
    try:
        number = float(str(value).strip("\0 "))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
