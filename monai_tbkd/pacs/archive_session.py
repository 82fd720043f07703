"""HTTP session for an archive: certificates from files, secrets from the environment, limits on slow answers."""

from __future__ import annotations

import functools
import io
import logging
import os
import time
from collections.abc import Callable
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth

from monai_tbkd.data.files.loopback import is_loopback

logger = logging.getLogger(__name__)

USER, PASSWORD, TOKEN = "TBKD_PACS_USER", "TBKD_PACS_PASSWORD", "TBKD_PACS_TOKEN"
KEY_PASSWORD = "TBKD_PACS_KEY_PASSWORD"
"""Environment variables with the secrets; there is no other way to give them."""
GRACE = 60.0
"""Seconds before the rate of an answer is checked."""
LEAST_RATE = 1000.0
"""Least bytes per second after that, on average; a slower answer is a timeout."""


def archive_session(
    url: str,
    ca_file: str | Path | None = None,
    client_cert: str | Path | None = None,
    client_key: str | Path | None = None,
) -> requests.Session:
    """Make a session for `url`, with the secrets of the environment.

    A user and a password are sent by HTTP basic authentication, a token as a bearer token. Proxies of the environment
    are used; ``.netrc`` is not. The log has no URLs, which hold what is searched for.

    Args:
        url: of the archive.
        ca_file: certificates (PEM) of the authorities that are trusted instead of the public ones.
        client_cert: this program's own certificate (PEM), for archives that ask for one; the key may be in it.
        client_key: its key (PEM), if it stands in a file of its own.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: the URL is none or has a password in it, or the secrets do not go together.
    """
    check_url(url)
    if client_key and not client_cert:
        raise ValueError("client_key is given without client_cert; give both.")
    for name, file in (("ca_file", ca_file), ("client_cert", client_cert), ("client_key", client_key)):
        if file and not Path(file).is_file():
            raise FileNotFoundError(f"{name} {file}: there is no such file; check the path.")
    key_password = os.environ.get(KEY_PASSWORD)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of odd headers, with the URL
    session = _ArchiveSession()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _ArchiveAdapter(key_password))
    session.auth = _auth()
    if ca_file:
        session.verify = str(ca_file)
    if client_cert:
        key = Path(client_key or client_cert)
        # OpenSSL would ask for the password of a locked key on the terminal.
        if "ENCRYPTED" in key.read_text(encoding="ascii", errors="replace") and not key_password:
            raise ValueError(f"{key}: the key is locked by a password; set {KEY_PASSWORD} in the environment.")
        session.cert = (str(client_cert), str(client_key)) if client_key else str(client_cert)
    if urlsplit(url).scheme == "http" and not is_loopback(urlsplit(url).hostname or ""):
        sent = ", and so can the password" if os.environ.get(PASSWORD) or os.environ.get(TOKEN) else ""
        logger.warning("%s is not encrypted: images can be read on their way%s. Use https.", url, sent)
    return session


def check_url(url: str) -> None:
    """Refuse an invalid URL, or one that has a password in it.

    Raises:
        ValueError: the message says how to fix it.
    """
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise ValueError(  # without the URL, since it has a secret in it
            f"The URL has a user or a password in it; leave them out and set {USER} and {PASSWORD} in the environment."
        )
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment:
        shown = "The URL" if "@" in url else repr(url)  # of a password with a slash in it, "@" is in the path
        raise ValueError(f"{shown} is no URL of a DICOMweb archive; expected one like https://host:8042/dicom-web.")


def origin(url: str, base: str = "") -> str:
    """Scheme, host and port of a URL that may be relative to another, or the empty string.

    Example:
        >>> origin("HTTPS://pacs.example/dicom-web"), origin("http://[1")
        ('https://pacs.example:443', '')
    """
    try:
        parts = urlsplit(urljoin(base, url))
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return ""
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}" if host and port else ""


def _auth() -> Callable[[Any], Any]:
    user, password, token = (os.environ.get(name) for name in (USER, PASSWORD, TOKEN))
    if token and (user or password):
        raise ValueError(f"The environment has {TOKEN} and {USER} or {PASSWORD}; set one kind only.")
    if bool(user) != bool(password):
        raise ValueError(f"The environment has only one of {USER} and {PASSWORD}; set both.")
    if user and password:
        return HTTPBasicAuth(user.encode(), password.encode())  # type: ignore[no-any-return]

    # also without a token, since requests would read ~/.netrc without any authentication
    def bearer(request: Any) -> Any:
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    return bearer


class _ArchiveSession(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: `ArchiveConnection` follows redirects; requests would read their content whatever its size."""

    # The given authorities take precedence over REQUESTS_CA_BUNDLE, unlike in requests.
    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        trusted = self.verify if isinstance(self.verify, str) and verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, trusted, cert)


class _ArchiveAdapter(HTTPAdapter):
    """Unlock the client's key, and abort answers that are slower than `LEAST_RATE`."""

    def __init__(self, key_password: str | None) -> None:
        self._key_password = key_password
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        options |= {"key_password": self._key_password} if self._key_password else {}
        super().init_poolmanager(*args, **options)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = _in_time(pool.ConnectionCls)
        return pool


@functools.cache
def _in_time(connection: Any) -> Any:
    if getattr(connection, "response_class", None) is _InTimeResponse:
        return connection
    return type(connection.__name__, (connection,), {"response_class": _InTimeResponse})


class _InTimeResponse(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_InTime(self.fp))


class _InTime(io.RawIOBase):
    def __init__(self, source: io.BufferedReader) -> None:
        self._source, self._start, self._received = source, time.monotonic(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._received < LEAST_RATE * (time.monotonic() - self._start - GRACE):
            raise TimeoutError("the answer comes too slowly")
        received = self._source.readinto1(buffer)
        self._received += received
        return received

    def close(self) -> None:
        self._source.close()
        super().close()
