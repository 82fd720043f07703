"""Pass requests of viewers on to a DICOMweb server: UIDs and the standard's own words alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import requests
from fastapi import HTTPException, Response

_DICOMWEB = re.compile(
    r"(studies|series|instances)(/([0-9]+(\.[0-9]+)*|[0-9]+(,[0-9]+)*|studies|series|instances|frames|metadata|rendered"
    r"|thumbnail|bulkdata|pixeldata))*"
)
_PASSED_ON = ("accept", "content-type")
_SECONDS = (10, 120)  # to connect, and between two parts of an answer


@dataclass(frozen=True)
class DicomwebProxy:
    """Asks the server, with user and password, and with its prefixes for ``wado``, ``qido`` and ``stow``; it blocks."""

    server: str
    auth: tuple[str, str] | None
    prefixes: Mapping[str, str | None]

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        """Pass a GET or POST on; `path` may begin with ``wado``, ``qido`` or ``stow``.

        Raises:
            HTTPException: 404 for another path, 502 where the server does not answer, or redirects.
        """
        first, _, rest = path.partition("/")
        way, below = (first, rest) if first in ("wado", "qido", "stow") else ("", path)
        if not _DICOMWEB.fullmatch(below):
            raise HTTPException(404, "There is nothing here but the studies of a DICOMweb server.")
        if way == "qido" and below.endswith("metadata"):  # as some versions of OHIF ask
            way = "wado"
        url = "/".join(filter(None, (self.server.rstrip("/"), self.prefixes.get(way), below)))
        kept = {name: headers[name] for name in _PASSED_ON if name in headers}
        try:
            answer = requests.request(
                method, url, auth=self.auth, headers=kept, data=body or None, allow_redirects=False, timeout=_SECONDS
            )
        except requests.RequestException as error:
            raise HTTPException(502, f"The DICOMweb server does not answer ({type(error).__name__}).") from error
        if answer.is_redirect:
            raise HTTPException(502, "The DICOMweb server leads to another address; give that one as --studies.")
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("Content-Type"))
