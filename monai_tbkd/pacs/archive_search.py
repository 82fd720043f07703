"""Divide a search for studies where an archive truncates its answers."""

from __future__ import annotations

import logging
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from monai_tbkd.dicom.archive_answers import text

logger = logging.getLogger(__name__)

Found = dict[str, dict[str, Any]]
"""Data sets in DICOM JSON by UID."""
# of a key: tag, digits, format, step to the next value, what completes a value as the end of a range
_DIVIDERS = {
    "StudyDate": ("00080020", 8, "%Y%m%d", timedelta(days=1), ""),
    "StudyTime": ("00080030", 6, "%H%M%S", timedelta(seconds=1), ".999999"),
}
_LONGEST = 64  # characters of a patient's identifier
_CHARACTERS = string.digits + string.ascii_letters + "-_."


def divided_search(
    search: Callable[[Mapping[str, str]], Found], query: Mapping[str, str], truncated: Callable[[str], None]
) -> Iterator[str]:
    """Search for studies; divide the search as long as its parts find more than the whole.

    `truncated` is called with the reason why studies may be missing.

    Yields:
        StudyInstanceUIDs, each once.
    """
    found = search(query)
    yield from found
    seen, most = set(found), 0
    left = [(query, found)] if len(found) > 1 else []
    while left:
        part, known = left.pop()
        narrower = [(each, search(each)) for each in narrower_queries(part, list(known.values()))]
        times = Counter(study for _, some in narrower for study in some)
        new = [study for study in times if study not in seen]
        if not most and not new:
            return
        if not most:
            most = len(found)
            logger.warning(
                "The archive cuts searches short at %d studies, so it is searched in parts. It is faster where its "
                "limit is raised (Orthanc's LimitFindResults) or the query is narrower.",
                most,
            )
        yield from new
        seen.update(new)
        # A study is in one part, or in two if the archive ignores case.
        if max(times.values(), default=0) > 2:
            truncated("the archive takes no notice of a key by which its searches are divided")
            continue
        if known.keys() - times.keys():
            truncated(f"of searches that end at {most} studies one cannot be divided further")
        left += [(each, some) for each, some in narrower if len(some) >= most]


def narrower_queries(query: Mapping[str, str], found: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Split a search by date, else by time, else by the end of the patient's identifier.

    Each half by date or time contains some of the found studies, so that the parts of a truncated search find more.

    Returns:
        Queries that together cover the studies that have the key, if its values are of the usual characters; none where
        there is nothing to split the found studies by.
    """
    for key, (tag, digits, form, step, tail) in _DIVIDERS.items():
        given = re.fullmatch(rf"(\d{{{digits}}})?-(\d{{{digits}}}[.\d]*)?", query.get(key, "-"))
        if given is None:
            continue
        starts = {value[:digits] for each in found if re.match(rf"\d{{{digits}}}", value := text(each, tag))}
        there = sorted(value for value in starts if (given[1] or "0") <= value <= (given[2] or "9"))
        if len(there) < 2:
            continue
        middle = there[len(there) // 2 - 1]
        try:
            after = (datetime.strptime(middle, form) + step).strftime(form)
        except (ValueError, OverflowError):
            continue
        ranges = f"{given[1] or ''}-{middle}{tail}", f"{after}-{given[2] or ''}"
        return [{**query, key: each} for each in ranges]
    head, wildcard, tail = query.get("PatientID", "*").partition("*")
    if not wildcard or re.search(r"[*?]", head + tail) or len(head + tail) >= _LONGEST:
        return []
    exact = [head + tail] if head + tail else []
    return [{**query, "PatientID": each} for each in exact + [f"{head}*{one}{tail}" for one in _CHARACTERS]]
