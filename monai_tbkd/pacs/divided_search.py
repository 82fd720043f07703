"""A search for studies in parts, where an archive cuts its answers short and has no further page."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from monai_tbkd.pacs.narrower_queries import narrower_queries

logger = logging.getLogger(__name__)

_Search = Callable[[Mapping[str, str]], dict[str, dict[str, Any]]]


def divided_search(search: _Search, query: Mapping[str, str], cut_short: Callable[[str], None]) -> Iterator[str]:
    """Search, and search in parts as long as they find more than the whole.

    Args:
        search: gives studies by UID.
        query: search keys of studies.
        cut_short: is told why studies may be missing.

    Yields:
        StudyInstanceUIDs, each once.
    """
    found = search(query)
    yield from found
    seen, most = set(found), 0
    left = [(query, found)] if len(found) > 1 else []
    while left:
        part, known = left.pop()
        parts = narrower_queries(part, list(known.values()))
        narrower = [(each, search(each)) for each in parts]
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
        # A study is in one part, or in two where letters count for capitals.
        if max(times.values(), default=0) > 2:
            cut_short("the archive takes no notice of a key by which its searches are divided")
            continue
        if known.keys() - times.keys():
            cut_short(f"of searches that end at {most} studies one cannot be divided further")
        left += [(each, some) for each, some in narrower if len(some) >= most]
