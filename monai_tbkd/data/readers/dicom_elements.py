"""Values of DICOM elements, read also where something else stands in them than the standard asks for."""

from __future__ import annotations

import math
import re
from collections.abc import MutableSequence
from typing import Any

from pydicom import Dataset


def values_of(ds: Dataset, keyword: str) -> list[Any]:
    """Return the values of an element; none where it is missing or empty.

    pydicom refuses the whole element where one value is not of the kind that its VR asks for; then the values are
    taken as text. An empty one among several is ``""`` or None.

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
    """Return the values of an element as numbers; None for a value that is none, or is not finite.

    Example:
        >>> ds = Dataset()
        >>> ds.add_new("SeriesDescription", "LO", ["1.5", "1,5", "NaN"])
        >>> numbers(ds, "SeriesDescription")
        [1.5, None, None]
    """
    return [_number(value) for value in values_of(ds, keyword)]


def _number(value: Any) -> float | None:
    try:
        number = float(str(value).strip("\0 "))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def text_of(ds: Dataset, keyword: str) -> str:
    """Return the first value of an element as text, in capitals; the empty string where there is none."""
    values = values_of(ds, keyword)
    return str(values[0] or "").strip("\0 ").upper() if values else ""


def spacing_of(ds: Dataset, keyword: str) -> tuple[float, float] | None:
    """Return a spacing in mm (between rows, between columns), None where there are no two numbers above 0."""
    found = [number for number in numbers(ds, keyword) if number is not None and number > 0]
    return (found[0], found[1]) if len(found) == len(values_of(ds, keyword)) == 2 else None


def sequence_items(ds: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none where it is missing, empty or no sequence."""
    return [item for item in values_of(ds, keyword) if isinstance(item, Dataset)]


def quoted_values(ds: Dataset, keyword: str) -> str:
    """Quote an element of numbers for a message.

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


def quoted(value: object) -> str:
    """Quote a code string for a message; see `quoted_values`.

    Example:
        >>> quoted("CHEST"), quoted("DX PN Doe^Jane")
        ('CHEST', 'an odd value')
    """
    text = str(value)
    return text if re.fullmatch(r"[A-Z0-9 _./-]{0,16}", text) else "an odd value"
