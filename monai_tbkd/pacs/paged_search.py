"""Searches of an archive, page after page, and metadata."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from monai_tbkd.dicom.archive_answers import uid
from monai_tbkd.pacs.archive_connection import ArchiveConnection
from monai_tbkd.pacs.archive_error import ArchiveRefusalError

logger = logging.getLogger(__name__)

PAGE = 500
"""Results that are asked for at once."""
MOST_PAGES = 10_000
"""Of one search."""
# Legal in a query (RFC 3986, 3.4) and no separator of its parts. Orthanc 1.10 does not decode percent signs.
UNENCODED = "*?,:@/!$'()="


class PagedSearch:
    """Ask an archive for data sets, each of which has a UID.

    Args:
        connection: to the archive.

    Attributes:
        cut_short: whether an answer was cut short in a way that could not be mended.
    """

    def __init__(self, connection: ArchiveConnection) -> None:
        self.connection, self.cut_short = connection, False

    def find(
        self, path: str, tag: str, query: Mapping[str, str], fields: Sequence[str] = (), told: int = 0
    ) -> dict[str, dict[str, Any]]:
        """Ask for page after page until one brings nothing new.

        Args:
            path: below the URL.
            tag: of the UID of what is looked for.
            query: search keys.
            fields: that are wanted as well.
            told: how many there are, so that no more is asked for than needed; 0 where that is not known.

        Returns:
            Data sets by UID. What comes after a further page that is refused is told as cut short.

        Raises:
            ArchiveRefusalError: the archive does not answer properly.
        """
        found: dict[str, dict[str, Any]] = {}
        offset = 0
        for _ in range(MOST_PAGES):
            words = [*query.items(), *(("includefield", field) for field in fields), ("limit", PAGE)]
            words += [("offset", offset)] if offset else []
            line = "&".join(f"{key}={quote(str(value), safe=UNENCODED)}" for key, value in words)
            try:
                page = self.connection.json("search", f"{path}?{line}", further=offset > 0)
                proper = [(name, each) for each in page if (name := uid(each, tag))]
                if len(proper) < len(page) and (path != "studies" or not proper):
                    raise ArchiveRefusalError(f"answers without a proper UID ({tag})", "search")
            except ArchiveRefusalError as refusal:
                if path != "studies" and refusal.status == 404:  # gone since it was found
                    return found
                if not found:
                    raise
                self.tell_cut_short(f"the archive {refusal.said} when asked for more than {len(found)} results")
                return found
            before = len(found)
            for name, each in proper:
                found.setdefault(name, each)
            if len(proper) < len(page):
                self.tell_cut_short(f"an answer has {len(page) - len(proper)} studies without a proper UID")
            if len(found) == before or 0 < told <= len(found):
                return found
            offset += len(page)
        self.tell_cut_short(f"a search has more than {MOST_PAGES} pages")
        return found

    def metadata(self, path: str, tag: str) -> dict[str, dict[str, Any]]:
        """Data sets below a path by a UID, the first of each."""
        found: dict[str, dict[str, Any]] = {}
        for each in self.connection.json("send metadata", f"{path}/metadata"):
            found.setdefault(uid(each, tag), each)
        return {name: each for name, each in found.items() if name}

    def tell_cut_short(self, why: str) -> None:
        """Say once that something may be missing."""
        if not self.cut_short:
            logger.warning("Images may be missing: %s.", why)
        self.cut_short = True
