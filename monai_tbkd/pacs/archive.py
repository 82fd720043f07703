"""Search, fetch and store by DICOMweb."""

from __future__ import annotations

import io
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pydicom
import requests
from pydicom import Dataset

from monai_tbkd.data import ImageError, ReasonCode
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom.archive_answers import failure_reason, number, stored_instances, text, uid
from monai_tbkd.pacs.archive_connection import JSON, ArchiveConnection, ArchiveError, ArchiveRefusalError
from monai_tbkd.pacs.archive_search import Found, divided_search
from monai_tbkd.pacs.image_download import ACCEPTS, check_identity, write_image

logger = logging.getLogger(__name__)

PAGE = 500
"""Results per page of a search."""
_MOST_PAGES = 10_000
# Legal in a query (RFC 3986, 3.4) and no separator of its parts. Orthanc 1.10 does not decode percent signs.
_UNENCODED = "*?,:@/!$'()="
_STUDY, _SERIES, _INSTANCE = "0020000D", "0020000E", "00080018"


class ImageAddress(NamedTuple):
    """UIDs of an image; for a whole study the series is empty and the instance is the study's UID."""

    study: str
    series: str
    instance: str

    @property
    def path(self) -> str:
        """Path below the archive's URL."""
        below = f"/series/{self.series}/instances/{self.instance}" if self.series else ""
        return f"studies/{self.study}{below}"


class FoundSeries(NamedTuple):
    """A series as the archive describes it; text may be empty, ``instances`` 0."""

    uid: str
    modality: str
    description: str
    instances: int


class Archive:
    """A DICOMweb server (QIDO-RS, WADO-RS, STOW-RS; PS3.18).

    All methods raise an ArchiveError where the archive is gone or refuses the credentials, and those that return what
    was found an ArchiveRefusalError where it does not answer properly.

    Args:
        url: base URL; ``/studies`` is below it.
        session: with the credentials that the server requires.
        patience: seconds to wait for a server that stops answering.

    Attributes:
        truncated: whether an answer was truncated and could not be completed, so that images may be missing.

    Example:
        >>> url = "http://localhost:8042/dicom-web"
        >>> archive = Archive(url, archive_session(url))  # doctest: +SKIP
        >>> list(archive.studies(("CR", "DX"), {"StudyDate": "20260101-"}))  # doctest: +SKIP
        ['1.2.840.113619.2.1']
    """

    def __init__(self, url: str, session: requests.Session, patience: float = 120) -> None:
        self.connection = ArchiveConnection(url, session, patience)
        self.url, self.session, self.truncated = self.connection.url, session, False
        self._accepts = list(ACCEPTS)
        self._series_told: dict[str, int] = {}

    def give_up(self) -> None:
        """Stop waiting for the server, in all threads."""
        self.connection.give_up()

    def check(self) -> None:
        """Request one study to detect a wrong URL or password; wait for a busy server."""
        self.connection.resume()
        self.truncated = False
        try:
            self.connection.json("search", "studies?limit=1", only_busy=True)
        except ArchiveRefusalError as refusal:
            hint = "" if refusal.status == 403 else "; check the URL (Orthanc's ends with /dicom-web)"
            raise ArchiveError(f"{self.url} {refusal.said}{hint}.") from refusal

    def studies(self, modalities: Sequence[str], query: Mapping[str, str]) -> Iterator[str]:
        """Search for studies by modality and keyword; ``*`` and ranges as in PS3.18, 8.3.4.

        Yields:
            StudyInstanceUIDs, each once.
        """
        seen: set[str] = set()
        try:
            for modality in modalities:
                asked = {**query, "ModalitiesInStudy": modality}
                for study in divided_search(self._study_search, asked, self._warn_truncated):
                    if study not in seen:
                        seen.add(study)
                        yield study
        except ArchiveRefusalError as refusal:
            raise ArchiveError(
                f"{self.url} {refusal.said} to a search; check the URL, and the keys and values of the query."
            ) from refusal
        if not seen:
            escaped = any(quote(value, safe=_UNENCODED) != value for value in query.values())
            logger.warning(
                "The archive has no %s studies%s.%s", " or ".join(modalities), " of this query" if query else "",
                " Some archives do not understand values that are percent-encoded in a URL; put ? for each character "
                "that is no letter, digit or one of .-_~*" + _UNENCODED[2:] if escaped else "",
            )  # fmt: skip

    def series(self, study: str, query: Mapping[str, str] | None = None) -> list[FoundSeries]:
        """List the series of a study that match a query."""
        path, told = f"studies/{study}/series", self._series_told.get(study, 0)
        found = self._find(path, _SERIES, {}, ("SeriesDescription",), told)
        keys = [query or {}]
        if len(found) < max(told, 1):  # a search cut short
            found = self._whole(found, told, "series", lambda: self._series_by_metadata(f"studies/{study}"))
            keys = [{**keys[0], "SeriesInstanceUID": each} for each in found]
        asked = {each for key in keys for each in self._find(path, _SERIES, key)} if query else found
        return [self._series(study, each, tags) for each, tags in found.items() if each in asked]

    def images(self, study: str, series: FoundSeries) -> list[tuple[ImageAddress, int]]:
        """List the instances of a series, each with its number of pixels, 0 if unknown."""
        path = f"studies/{study}/series/{series.uid}"
        found = self._find(f"{path}/instances", _INSTANCE, {}, ("Rows", "Columns"), series.instances)
        if len(found) < max(series.instances, 1):
            found = self._whole(found, series.instances, "instances", lambda: self._metadata(path, _INSTANCE))
        return [
            (ImageAddress(study, series.uid, each), number(tags, "00280010") * number(tags, "00280011"))
            for each, tags in found.items()
        ]

    def headers(self, study: str, series: str) -> list[Dataset]:
        """Get the instances of a series without pixels."""
        found = self._metadata(f"studies/{study}/series/{series}", _INSTANCE)
        try:
            with quiet_pydicom():
                return [Dataset.from_json(each) for each in found.values()]
        except Exception as error:  # pydicom raises all kinds; its message may quote the element
            said = f"sends metadata that is not DICOM JSON ({type(error).__name__})"
            raise ArchiveRefusalError(said, "send metadata") from None

    def fetch(self, image: ImageAddress, path: Path, most: int = 2**30) -> None:
        """Download an image, in its own transfer syntax, to a file of at most `most` bytes.

        Raises:
            ImageError: NOT_FETCHED or TOO_LARGE; there is no file then.
        """

        def download() -> None:
            with self.connection.request("GET", image.path, self._accepts[0]) as answer:
                kind = answer.headers.get("Content-Type", "")
                write_image(path, kind, self.connection.chunks(answer), most, image.path)

        try:
            try:
                self.connection.ask("send an image", download)
            except ArchiveRefusalError as refusal:
                if refusal.status != 406 or len(self._accepts) < 2:
                    raise
                del self._accepts[0]
                self.connection.ask("send an image", download)
            check_identity(image, path, image.path)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, ArchiveRefusalError):
                raise ImageError(ReasonCode.NOT_FETCHED, image.path, str(error)) from error
            raise

    def store(self, result: Dataset, source: ImageAddress) -> None:
        """Store a result of the image `source` in its study.

        It counts as stored if the archive's answer or a search names it. An object that exists already is kept. Results
        of an image that is no longer there are not stored: they would create its study again.

        Raises:
            ImageError: NOT_STORED.
        """
        if not self.has(source):
            detail = "the image is no longer in the archive, so its results are not stored"
            raise ImageError(ReasonCode.NOT_STORED, source.path, detail)
        own = ImageAddress(*(str(result[f"{level}InstanceUID"].value) for level in ("Study", "Series", "SOP")))
        boundary, content = uuid.uuid4().hex, io.BytesIO()
        with quiet_pydicom():
            pydicom.dcmwrite(content, result)
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n"
        body = head.encode() + content.getvalue() + f"\r\n--{boundary}--\r\n".encode()
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'

        def send() -> Any:
            with self.connection.request(
                "POST", f"studies/{own.study}", JSON, data=body, headers={"Content-Type": kind}
            ) as answer:
                return self.connection.content(answer)

        said = "answers without saying that it is stored, and does not have it"
        try:
            answer = self.connection.ask("store a result", send)
            if own.instance in stored_instances(answer):
                return
            if reason := failure_reason(answer):
                said = f"gives the DICOM failure reason {reason}"
        except ArchiveRefusalError as refusal:
            said = refusal.said
        # Some archives answer with an error, or with nothing, to an object that they have.
        if not self.has(own):
            raise ImageError(ReasonCode.NOT_STORED, source.path, f"the archive {said} when it is to store a result")

    def has(self, address: ImageAddress) -> bool:
        """Whether the archive has an instance, by a search or by its metadata."""
        path, key = f"studies/{address.study}/instances", {"SOPInstanceUID": address.instance}
        for look in (
            lambda: self._find(path, _INSTANCE, key, told=1),
            lambda: self._metadata(address.path, _INSTANCE),
        ):
            with suppress(ArchiveRefusalError):
                if address.instance in look():
                    return True
        return False

    def _find(self, path: str, tag: str, query: Mapping[str, str], fields: Sequence[str] = (), told: int = 0) -> Found:
        """Search below a path, by the UID in `tag`, page after page until one has nothing new, or `told` are found.

        If a further page is refused, the result is marked as truncated.
        """
        found: Found = {}
        offset = 0
        for _ in range(_MOST_PAGES):
            words = [*query.items(), *(("includefield", field) for field in fields), ("limit", PAGE)]
            words += [("offset", offset)] if offset else []
            line = "&".join(f"{key}={quote(str(value), safe=_UNENCODED)}" for key, value in words)
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
                self._warn_truncated(f"the archive {refusal.said} when asked for more than {len(found)} results")
                return found
            before = len(found)
            for name, each in proper:
                found.setdefault(name, each)
            if len(proper) < len(page):
                self._warn_truncated(f"an answer has {len(page) - len(proper)} studies without a proper UID")
            if len(found) == before or 0 < told <= len(found):
                return found
            offset += len(page)
        self._warn_truncated(f"a search has more than {_MOST_PAGES} pages")
        return found

    def _metadata(self, path: str, tag: str) -> Found:
        """Get the data sets below a path by the UID in `tag`, the first of each."""
        found: Found = {}
        for each in self.connection.json("send metadata", f"{path}/metadata"):
            if name := uid(each, tag):
                found.setdefault(name, each)
        return found

    def _warn_truncated(self, why: str) -> None:
        """Warn once that images may be missing."""
        if not self.truncated:
            logger.warning("Images may be missing: %s.", why)
        self.truncated = True

    def _study_search(self, query: Mapping[str, str]) -> Found:
        found = self._find("studies", _STUDY, query)
        self._series_told |= {study: number(tags, "00201206") for study, tags in found.items()}
        return found

    def _series(self, study: str, series: str, tags: Mapping[str, Any]) -> FoundSeries:
        if not text(tags, "00080060"):
            more = next(iter(self._metadata(f"studies/{study}/series/{series}", _INSTANCE).values()), {})
            tags = {**tags, **{tag: more[tag] for tag in ("00080060", "0008103E") if tag in more}}
        return FoundSeries(series, text(tags, "00080060"), text(tags, "0008103E"), number(tags, "00201209"))

    def _whole(self, found: Found, told: int, what: str, by_metadata: Callable[[], Found]) -> Found:
        """Complete a truncated search by metadata, which is never truncated."""
        try:
            whole = by_metadata() | found
        except ArchiveRefusalError as refusal:
            if refusal.status == 404 and not found:
                return found
            whole = {}
        if not whole:
            self._warn_truncated(f"the archive lists {len(found)} of {max(told, 1)} {what}, and sends no metadata")
        return whole or found

    def _series_by_metadata(self, path: str) -> Found:
        """List the series of a study with their numbers of instances."""
        instances = self.connection.json("send metadata", f"{path}/metadata")
        counts = Counter(uid(each, _SERIES) for each in instances)
        first = {uid(each, _SERIES): each for each in reversed(instances)}
        return {name: {**first[name], "00201209": {"vr": "IS", "Value": [counts[name]]}} for name in counts if name}
