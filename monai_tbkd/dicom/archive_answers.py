"""Read answers of an archive in DICOM JSON (PS3.18, F)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TAG = re.compile(r"[0-9A-Fa-f]{8}")


def datasets(answer: Any) -> list[dict[str, Any]] | None:
    """The data sets of an answer, a list or a single object; None if it is neither."""
    found = [answer] if isinstance(answer, dict) else answer
    if not isinstance(found, list):
        return None
    return found if all(isinstance(each, dict) and any(map(_TAG.fullmatch, each)) for each in found) else None


def values(found: Mapping[str, Any], tag: str) -> list[Any]:
    """The values of an element, none where it is missing, empty or malformed."""
    element = found.get(tag)
    given = element.get("Value") if isinstance(element, Mapping) else None
    return given if isinstance(given, list) else []


def text(found: Mapping[str, Any], tag: str) -> str:
    """The first value as text, or the empty string."""
    first = next(iter(values(found, tag)), None)
    return "" if first is None else str(first).strip()


def uid(found: Mapping[str, Any], tag: str) -> str:
    """A valid UID, safe in a path, or the empty string."""
    value = text(found, tag)
    return value if re.fullmatch(r"[0-9.]{1,64}", value) and value.strip(".") else ""


def number(found: Mapping[str, Any], tag: str) -> int:
    """A count, 0 where there is none."""
    value = text(found, tag)
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else 0


def stored_instances(answer: Any) -> set[str]:
    """The SOP instance UIDs that a STOW-RS answer lists as stored and not as failed (PS3.18, table I.1-1)."""
    stored, failed = ({uid(item, "00081155") for item in _items(answer, tag)} for tag in ("00081199", "00081198"))
    return stored - failed - {""}


def failure_reason(answer: Any) -> str:
    """The first failure reason of a STOW-RS answer, or the empty string."""
    return next((reason for item in _items(answer, "00081198") if (reason := text(item, "00081197"))), "")


def _items(answer: Any, tag: str) -> list[Mapping[str, Any]]:
    return [item for each in datasets(answer) or [] for item in values(each, tag) if isinstance(item, Mapping)]
