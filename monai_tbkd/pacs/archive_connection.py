"""Send requests to an archive, retry them, and turn failures into plain errors."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urljoin

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from monai_tbkd.dicom.archive_answers import datasets
from monai_tbkd.pacs.archive_session import PASSWORD, TOKEN, USER, origin

logger = logging.getLogger(__name__)

T = TypeVar("T")
JSON = "application/dicom+json, application/json"
LARGEST_JSON = 2**28
"""Largest answer in JSON, in bytes."""
_MOST_VALUES = 2**23  # in JSON: empty lists take twenty times their bytes in memory
_BUSY = {408, 429, 502, 503, 504}
_TIMEOUT = (10, 120)  # seconds to connect, and between two pieces of an answer
_LONGEST_PAUSE = 10.0
_MOST_REDIRECTS = 5
_CHUNK = 2**16


class ArchiveError(OSError):
    """The archive cannot be used; the message says why and how to fix it, without secrets or patient data."""


class ArchiveGoneError(ArchiveError):
    """The archive does not answer now, or is busy (`answered`), or its answer was incomplete (`broken`)."""

    def __init__(
        self, message: str, retry_after: float | None = None, answered: bool = False, broken: bool = False
    ) -> None:
        self.retry_after, self.answered, self.broken = retry_after, answered, broken
        super().__init__(message)


class ArchiveRefusalError(ArchiveError):
    """The archive answers one request with an error or with unusable content; other requests may succeed.

    `said` is what it does, such as "answers 500", and `what` the request, such as "search".
    """

    def __init__(self, said: str, what: str, status: int = 200) -> None:
        self.said, self.status = said, status
        super().__init__(f"the archive {said} when asked to {what}")


class ArchiveConnection:
    """Send requests to a DICOMweb server.

    Requests to a server that is away or busy are repeated for `patience` seconds, with the pauses of its Retry-After
    header. All requests may be repeated, storing too, since objects keep their UIDs. (urllib3's ``Retry`` counts
    attempts, not seconds, cannot be interrupted, and does not repeat a request whose answer is incomplete.)

    Methods with a `what`, the request for messages, raise an ArchiveRefusalError where the answer is an error or of no
    use, and another ArchiveError where the archive is gone or refuses the credentials.
    """

    def __init__(self, url: str, session: requests.Session, patience: float) -> None:
        self.url, self.session, self.patience = url.rstrip("/"), session, float(patience)
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Stop waiting and abort downloads, in all threads."""
        self._given_up.set()

    def resume(self) -> None:
        """Wait again; threads that were told to give up still do."""
        self._given_up = threading.Event()

    def json(self, what: str, path: str, further: bool = False, **options: Any) -> list[dict[str, Any]]:
        """Get the data sets of an encoded path. A further page may be empty; otherwise only 204 means "nothing"."""
        found = datasets(self.ask(what, lambda: self._read_json(path, further), **options))
        if found is None:
            raise ArchiveRefusalError("answers, but not in DICOM JSON", what)
        return found

    def ask(self, what: str, request: Callable[[], T], only_busy: bool = False) -> T:
        """Repeat a request until it is answered; or only while the server says that it is busy."""
        began, pause, tries, given_up = time.monotonic(), 0.5, 0, self._given_up
        while True:
            try:
                return self._once(what, request)
            except ArchiveGoneError as gone:
                tries += 1
                left = self.patience - (time.monotonic() - began)
                if (left <= 0 or (gone.broken and tries > 1)) and self._is_alive():
                    raise ArchiveRefusalError("answers others, but not", what) from gone
                if left <= 0 or (only_busy and not gone.answered):
                    raise
                wait = min(left, pause if gone.retry_after is None else max(pause, gone.retry_after))
                logger.warning("%s Trying again in %.3g seconds, for %.0f seconds.", gone, wait, left)
                if given_up.wait(wait):
                    raise
                pause = min(2 * pause, _LONGEST_PAUSE)
            except ArchiveRefusalError as refusal:
                if refusal.status != 401 or self._is_alive():  # some archives send 401 for 403
                    raise
                raise ArchiveError(
                    f"{self.url} answers 401: it wants other credentials; set {USER} and {PASSWORD}, or {TOKEN}, in "
                    "the environment."
                ) from None

    def request(self, method: str, path: str, accept: str, **options: Any) -> requests.Response:
        """Send a request once; the content is read by :meth:`chunks`.

        Redirects are followed only to the same origin, and only if the method stays the same.

        Raises:
            requests.HTTPError: another status than 200 or 204; of storing, than 200 to 299.
        """
        headers, url = {"Accept": accept, **options.pop("headers", {})}, f"{self.url}/{path}"
        for _ in range(_MOST_REDIRECTS):
            with _faults_of_libraries():
                answer = self.session.request(method, url, headers=headers, stream=True, timeout=_TIMEOUT, **options)
            # A client would turn a POST into a GET here, which an archive answers with 200 without storing anything.
            if answer.status_code not in ((301, 302, 303, 307, 308) if method == "GET" else (307, 308)):
                break
            location = answer.headers.get("Location")
            if not location or origin(location, url) != origin(url):
                break
            answer.close()
            url = urljoin(url, location)
        if answer.status_code not in (range(200, 300) if method == "POST" else (200, 204)):
            answer.close()
            raise requests.HTTPError(response=answer)
        return answer

    def chunks(self, answer: requests.Response) -> Iterator[bytes]:
        """Read the content of an answer in pieces."""
        given_up = self._given_up
        with _faults_of_libraries():
            for chunk in answer.iter_content(_CHUNK):
                if given_up.is_set():
                    raise ArchiveGoneError(f"{self.url} is waited for no more.")
                yield chunk

    def content(self, answer: requests.Response) -> Any:
        """Parse the JSON of an answer; None if it is invalid or too large."""
        raw = bytearray()
        for chunk in self.chunks(answer):
            raw += chunk
            if len(raw) > LARGEST_JSON:
                return None
        try:
            return json.loads(raw) if raw.count(b",") <= _MOST_VALUES else None
        except (ValueError, RecursionError):
            return None

    def _read_json(self, path: str, further: bool = False) -> Any:
        with self.request("GET", path, JSON) as answer:
            if answer.status_code == 204 or (further and answer.headers.get("Content-Length") == "0"):
                return []
            return self.content(answer)

    def _is_alive(self) -> bool:
        """Whether the archive answers other requests."""
        try:
            self._once("search", lambda: self._read_json("studies?limit=1"))
        except ArchiveRefusalError as refusal:
            return refusal.status != 401
        except ArchiveError:
            return False
        return True

    def _once(self, what: str, request: Callable[[], T]) -> T:
        """Send a request; replace network errors, whose messages quote URLs with search keys."""
        try:
            return request()
        except requests.HTTPError as error:
            raise self._refused(what, error.response) from None
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
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
            broken = isinstance(error, requests.exceptions.ChunkedEncodingError)
            # the rest of the message has the URL; the system's word in it follows a number, after a space as in no URL
            found = re.search(r"(?:\[(?:Errno|WinError) -?\d+\] |Error\(\d+, ')([^\W_][\w ]*)", str(error))
            word = found[1].lower() if found else "the connection breaks off"
            raise ArchiveGoneError(f"{self.url} cannot be reached ({word}).", broken=broken) from None
        except requests.RequestException as error:
            raise ArchiveRefusalError(f"sends an answer that cannot be read ({type(error).__name__})", what) from None

    def _refused(self, what: str, answer: requests.Response) -> ArchiveError:
        status, said = answer.status_code, f"answers {answer.status_code}"
        if status in _BUSY:
            return ArchiveGoneError(f"{self.url} {said}.", _retry_after(answer), answered=True)
        if status == 403:
            said += " (these credentials may not; ask its administrator)"
        elif "Location" in answer.headers:
            position = origin(answer.headers["Location"]) or "another place"
            said += f" and points to {position} (give the URL that it means)"
        return ArchiveRefusalError(said, what, status)


@contextmanager
def _faults_of_libraries() -> Iterator[None]:
    """Turn the many errors that invalid answers raise in requests and urllib3 into one."""
    try:
        yield
    except OSError:  # what requests raises, too
        raise
    except Exception as error:
        raise requests.RequestException(type(error).__name__) from error


def _retry_after(answer: requests.Response) -> float | None:
    """Seconds, from a number or a date (RFC 9110, 10.2.3)."""
    try:
        return float(Retry().parse_retry_after(answer.headers["Retry-After"]))
    except (KeyError, InvalidHeader, ValueError, OverflowError):
        return None
