"""Parts of a search, for archives that answer with so many results at most and cannot be asked for the rest."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from monai_tbkd.dicom.archive_answers import text

_TAGS = {"StudyDate": "00080020", "StudyTime": "00080030"}
_FORMATS = {"StudyDate": ("%Y%m%d", timedelta(days=1), ""), "StudyTime": ("%H%M%S", timedelta(seconds=1), ".999999")}
_LONGEST = 64  # characters of a patient's identifier
_CHARACTERS = string.digits + string.ascii_letters + "-_."


def narrower_queries(query: Mapping[str, str], found: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Split a search by date, else by time, else by the end of the patient's identifier.

    Each of two halves by date or time has some of what was found, so that a search that was cut short shows more in
    parts than as a whole.

    Args:
        query: search keys of studies.
        found: the studies of its answer, in DICOM JSON.

    Returns:
        Queries that together cover the studies that have the key, if its values are of the usual characters; none where
        there is nothing to split by.

    Example:
        >>> studies = [{"00080020": {"vr": "DA", "Value": [date]}} for date in ("20260101", "20260103")]
        >>> narrower_queries({}, studies)
        [{'StudyDate': '-20260101'}, {'StudyDate': '20260102-'}]
    """
    for key, tag in _TAGS.items():
        form, step, tail = _FORMATS[key]
        digits = {"StudyDate": 8, "StudyTime": 6}[key]
        given = re.fullmatch(rf"(\d{{{digits}}})?-(\d{{{digits}}}[.\d]*)?", query.get(key, "-"))
        if given is None:
            continue
        low, high = given[1] or "0", given[2] or "9"
        starts = {value[:digits] for each in found if re.match(rf"\d{{{digits}}}", value := text(each, tag))}
        there = sorted(value for value in starts if low <= value <= high)
        if len(there) < 2:
            continue
        middle = there[len(there) // 2 - 1]
        try:
            after = (datetime.strptime(middle, form) + step).strftime(form)
        except (ValueError, OverflowError):
            continue
        return [
            {**query, key: f"{given[1] or ''}-{middle}{tail}"},
            {**query, key: f"{after}-{given[2] or ''}"},
        ]
    head, wildcard, tail = query.get("PatientID", "*").partition("*")
    if not wildcard or re.search(r"[*?]", head + tail) or len(head + tail) >= _LONGEST:
        return []
    exact = [head + tail] if head + tail else []
    return [{**query, "PatientID": each} for each in exact + [f"{head}*{one}{tail}" for one in _CHARACTERS]]
