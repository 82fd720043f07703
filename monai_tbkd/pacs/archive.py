"""An archive of DICOM films by DICOMweb: what is asked of it, and what its answers mean."""

from __future__ import annotations

import logging
import re
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import requests
from dicomweb_client import DICOMwebClient
from pydicom import Dataset

from monai_tbkd.data import FilmError, ReasonCode
from monai_tbkd.data.readers.dicom import quiet_pydicom
from monai_tbkd.pacs.archive_error import ArchiveError, ArchiveGoneError, ArchiveRefusalError
from monai_tbkd.pacs.archive_session import PASSWORD, TOKEN, USER
from monai_tbkd.pacs.film_download import ACCEPT, write_film

logger = logging.getLogger(__name__)

T = TypeVar("T")
PAGE = 500
"""Studies that are asked for at once."""
_BUSY = {408, 429, 502, 503, 504}
_TIMEOUT = (10, 120)  # seconds to connect, and between two pieces of an answer
_LONGEST_PAUSE = 10.0


class FilmAddress(NamedTuple):
    """Where a film is in the archive."""

    study: str
    series: str
    instance: str

    @property
    def path(self) -> str:
        """Below the archive's URL."""
        return f"studies/{self.study}/series/{self.series}/instances/{self.instance}"


class Archive:
    """A DICOMweb server (QIDO-RS, WADO-RS, STOW-RS; PS3.18).

    A server that is away, as while it starts again, is waited for; then the request is sent again. Each of them may be
    sent twice without harm, the storing too, since the objects keep their UIDs.

    Args:
        url: that ``/studies`` is below.
        session: secured as the server wants it.
        patience: seconds to wait for a server that was there and does not answer.

    Example:
        >>> url = "http://localhost:8042/dicom-web"
        >>> archive = Archive(url, archive_session(url))  # doctest: +SKIP
        >>> list(archive.studies(("CR", "DX"), {"StudyDate": "20260101-"}))  # doctest: +SKIP
        ['1.2.840.113619.2.1']
    """

    def __init__(self, url: str, session: requests.Session, patience: float = 120) -> None:
        self.url, self.patience, self.session = url.rstrip("/"), float(patience), session
        # Its log tells of every request, with what is searched for: at times the patient.
        logging.getLogger("dicomweb_client").setLevel(logging.ERROR)
        self._client = DICOMwebClient(self.url, session=session, timeout=_TIMEOUT, permissive_uid=True)
        self._client.set_http_retry_params(retry=False)
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Wait for the server no more, in whichever thread it is waited for."""
        self._given_up.set()

    def check(self) -> None:
        """Ask for one study, so that a wrong URL or password is told at once.

        Raises:
            ArchiveError: with what to mend.
        """
        try:
            self._once("search", lambda: self._client.search_for_studies(limit=1))
        except ArchiveRefusalError as refusal:
            raise ArchiveError(
                f"{self.url} answers {refusal.status}, so there is no DICOMweb; check the URL (Orthanc's ends with "
                "/dicom-web)."
            ) from refusal

    def studies(self, modalities: Sequence[str], query: Mapping[str, str]) -> Iterator[str]:
        """Look for studies.

        Args:
            modalities: of which a study must have one.
            query: what else it must have, by keyword; ``*`` and ranges as in PS3.18, 8.3.4.

        Yields:
            StudyInstanceUIDs, each once.

        Raises:
            ArchiveError: the search is refused.
        """
        seen: set[str] = set()
        for modality in modalities:
            offset = 0
            while True:
                filters = {**query, "ModalitiesInStudy": modality}
                page = self._search(self._client.search_for_studies, search_filters=filters, limit=PAGE, offset=offset)
                new = [uid for uid in (_uid(found, "0020000D") for found in page) if uid and uid not in seen]
                yield from new
                seen.update(new)
                offset += len(page)
                # A server that takes no notice of the offset gives the same page for ever.
                if len(page) < PAGE or not new:
                    break

    def series(self, study: str, query: Mapping[str, str] | None = None) -> list[dict[str, str]]:
        """The series of a study: ``uid``, ``modality`` and ``description`` (empty where the server does not tell)."""
        found = self._search(
            self._client.search_for_series, study, fields=["SeriesDescription"], search_filters=dict(query or {})
        )
        return [
            {"uid": uid, "modality": _text(each, "00080060"), "description": _text(each, "0008103E")}
            for each in found
            if (uid := _uid(each, "0020000E"))
        ]

    def films(self, study: str, series: str) -> list[tuple[FilmAddress, int]]:
        """The instances of a series, each with its number of pixels, 0 where the server does not tell."""
        fields = ["Rows", "Columns", "NumberOfFrames"]
        found = self._search(self._client.search_for_instances, study, series, fields=fields)
        return [
            (FilmAddress(study, series, uid), _number(each, "00280010") * _number(each, "00280011"))
            for each in found
            if (uid := _uid(each, "00080018"))
        ]

    def headers(self, study: str, series: str) -> list[Dataset]:
        """The instances of a series without pixels."""
        found = self._patiently("read a series' metadata", lambda: self._client.retrieve_series_metadata(study, series))
        with quiet_pydicom():
            return [Dataset.from_json(each) for each in found]

    def fetch(self, film: FilmAddress, path: Path, most: int = 2**30) -> None:
        """Write a film into a file, as it is in the archive: byte for byte, in its own transfer syntax.

        Args:
            film: which.
            path: the file.
            most: bytes that are written.

        Raises:
            FilmError: NOT_FETCHED or TOO_LARGE.
            ArchiveError: the archive is gone, or lets us in no more.
        """

        def download() -> None:
            with self.session.get(
                f"{self.url}/{film.path}", headers={"Accept": ACCEPT}, stream=True, timeout=_TIMEOUT
            ) as answer:
                answer.raise_for_status()
                kind = answer.headers.get("Content-Type", "")
                write_film(path, kind, answer.iter_content(2**20), most, film.path)

        try:
            self._patiently("send a film", download)
        except ArchiveRefusalError as refusal:
            raise FilmError(
                ReasonCode.NOT_FETCHED, film.path, f"the archive answers {refusal.status} instead of sending it"
            ) from refusal

    def store(self, result: Dataset) -> None:
        """Store an object in the study that it names.

        One that is there already is left as it is.

        Raises:
            FilmError: NOT_STORED.
            ArchiveError: the archive is gone, or lets us in no more.
        """
        uid, study = str(result.SOPInstanceUID), str(result.StudyInstanceUID)
        try:
            with quiet_pydicom():
                answer = self._patiently("store a result", lambda: self._client.store_instances([result], study))
        except ArchiveRefusalError as refusal:
            # 409 is also the answer of some to an object that they have.
            if refusal.status == 409 and self.has(study, uid):
                return
            raise _not_stored(study, f"the archive answers {refusal.status} when it is to store a result") from refusal
        failed = answer.get("FailedSOPSequence") or []
        if failed and not self.has(study, uid):
            code = failed[0].get("FailureReason")
            raise _not_stored(study, f"the archive does not store a result (DICOM failure reason {code})")

    def has(self, study: str, instance: str) -> bool:
        """Whether a study has an instance."""
        filters = {"SOPInstanceUID": instance}
        found = self._search(self._client.search_for_instances, study, search_filters=filters)
        return any(_uid(each, "00080018") == instance for each in found)

    def _search(self, search: Callable[..., Any], *where: str, **options: Any) -> list[dict[str, Any]]:
        try:
            return list(self._patiently("search", lambda: search(*where, **options)))
        except ArchiveRefusalError as refusal:
            if where and refusal.status == 404:  # gone since it was found
                return []
            raise ArchiveError(
                f"{self.url} answers {refusal.status} to a search; check the keys and values of the query."
            ) from refusal

    def _patiently(self, what: str, ask: Callable[[], T]) -> T:
        began, pause = time.monotonic(), 0.5
        while True:
            try:
                return self._once(what, ask)
            except ArchiveGoneError as gone:
                left = self.patience - (time.monotonic() - began)
                if left <= 0:
                    raise
                logger.warning("%s Trying again for %.0f seconds.", gone, left)
                if self._given_up.wait(min(pause, left)):
                    raise
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _once(self, what: str, ask: Callable[[], T]) -> T:
        """Errors of the network become sentences; the libraries' own words quote URLs with what is searched for."""
        try:
            with warnings.catch_warnings(action="ignore"):
                return ask()
        except requests.HTTPError as error:
            raise self._refused(what, error.response.status_code) from error
        except requests.exceptions.SSLError as error:
            if _certificate_at_fault(error):
                raise ArchiveError(
                    f"{self.url}: its certificate is not trusted; give that of its authority by --ca_file, and the URL "
                    "by the name that the certificate has."
                ) from None
            raise ArchiveGoneError(
                f"{self.url}: no encrypted connection comes about; if the archive asks for a certificate, give "
                "--client_cert and --client_key."
            ) from None
        except requests.Timeout:
            raise ArchiveGoneError(f"{self.url} does not answer in time.") from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise ArchiveGoneError(f"{self.url} cannot be reached ({_root_word(error)}).") from None
        except requests.exceptions.JSONDecodeError:
            raise ArchiveError(
                f"{self.url} answers, but not in DICOM JSON; check the URL (Orthanc's ends with /dicom-web)."
            ) from None

    def _refused(self, what: str, status: int) -> ArchiveError:
        if status == 401:
            return ArchiveError(
                f"{self.url} answers 401: it wants other credentials; set {USER} and {PASSWORD}, or {TOKEN}, in the "
                "environment."
            )
        if status == 403:
            return ArchiveError(f"{self.url} answers 403: these credentials may not {what}; ask its administrator.")
        if status in _BUSY:
            return ArchiveGoneError(f"{self.url} answers {status}.")
        return ArchiveRefusalError(status, what)


def _not_stored(study: str, detail: str) -> FilmError:
    return FilmError(ReasonCode.NOT_STORED, f"studies/{study}", detail)


def _certificate_at_fault(error: BaseException) -> bool:
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in _chain(error)) or (
        "CERTIFICATE_VERIFY_FAILED" in str(error)
    )


def _root_word(error: BaseException) -> str:
    for each in _chain(error):
        if isinstance(each, OSError) and each.strerror:
            return each.strerror.lower()
    text = str(error)
    return "no such host" if "NameResolution" in text or "getaddrinfo" in text else "the connection breaks off"


def _chain(error: BaseException) -> list[BaseException]:
    """Causes, also those that urllib3 only puts into the arguments."""
    found: list[BaseException] = []
    left: list[Any] = [error]
    while left:
        each = left.pop()
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            left += [*each.args, getattr(each, "reason", None), each.__cause__, each.__context__]
    return found


def _uid(found: Mapping[str, Any], tag: str) -> str:
    """A UID that may become part of a path, or the empty string."""
    value = _text(found, tag)
    return value if re.fullmatch(r"[0-9.]{1,64}", value) else ""


def _text(found: Mapping[str, Any], tag: str) -> str:
    value = (found.get(tag) or {}).get("Value") or [""]
    return str(value[0] or "").strip()


def _number(found: Mapping[str, Any], tag: str) -> int:
    value = _text(found, tag)
    return int(value) if value.isdigit() else 0
