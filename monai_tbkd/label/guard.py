"""What comes between the network and the MONAI Label server, which itself checks next to nothing.

`docs/monai_label.md` names what this closes and what stays the server's own.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from monai_tbkd.label.film_ids import is_safe_id

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

MEGABYTE = 2**20
_IDENTIFIERS = {"image", "id", "label", "tag", "session_id", "model", "strategy", "client_id", "user"}
# Changes that no annotator needs: weights and films of others, the app anew, and logs, which name films.
_CLOSED = (
    ("model", {"PUT", "DELETE"}, "weights are replaced by training alone"),
    ("reload", None, "the app is read once, at its start"),
    ("logs", None, "logs are read on the server's own machine"),
)
_YES = {"1", "true", "t", "yes", "y", "on"}
_DICOMWEB = {"studies", "series", "instances"}


@dataclass(frozen=True)
class GuardRules:
    """What is let through.

    Attributes:
        token: every request has to bear it (``Authorization: Bearer ...``); empty asks for none.
        remote: let in requests from other machines.
        hosts: names that the server may be called by, apart from loopback; with `remote` empty means any.
        origins: web pages that may use the server, such as ``https://viewer.example``, apart from its own.
        largest_body: of a request, in bytes.
        pacs: there is a DICOMweb server behind, which ``/proxy/dicom`` leads to.
    """

    token: str = ""
    remote: bool = False
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    largest_body: int = 64 * MEGABYTE
    pacs: bool = False


class Refusal(Exception):  # noqa: N818  # it is an answer, not a fault
    """An answer in place of the server's.

    Args:
        status: of HTTP.
        detail: what was found and what was expected.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Guard:
    """ASGI middleware before the whole server.

    Args:
        app: the server.
        rules: what is let through.
    """

    def __init__(self, app: App, rules: GuardRules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # the server has no web sockets; the connection is closed
        try:
            self.check(scope)
        except Refusal as refusal:
            logger.warning("%s %s: %d", scope["method"], _plain(scope["path"]), refusal.status)
            await answer(send, refusal)
            return
        body = _Body(receive, send, self.rules.largest_body)
        try:
            await self.app(scope, body.receive, body.send)
        except Exception:
            if not body.too_large:
                raise
        if body.too_large:
            await body.refuse()

    def check(self, scope: Mapping[str, Any]) -> None:
        """Look at everything but the body.

        Raises:
            Refusal: it is not let through.
        """
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        self._check_sender(scope, headers)
        self._check_path(scope["method"], scope["path"])
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        self._check_query(query)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.rules.largest_body:
            raise self._too_large()

    def _check_sender(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        rules = self.rules
        client = (scope.get("client") or ("127.0.0.1",))[0]
        if not rules.remote and not is_loopback(client):
            raise Refusal(403, "Requests from other machines are refused; start with --conf remote true to allow them.")
        host = headers.get("host", "")
        name = urlsplit(f"//{host}").hostname or ""
        allowed = is_loopback(name) or name in rules.hosts or (rules.remote and not rules.hosts)
        if not allowed:  # a web page whose name was made to lead here (DNS rebinding)
            raise Refusal(403, "The server is not called by this name; start with --conf hosts NAME to allow it.")
        origin = headers.get("origin")
        if origin is not None and origin not in rules.origins and urlsplit(origin).netloc != host:
            raise Refusal(403, "Web pages of another origin are refused; start with --conf origins URL to allow one.")
        if rules.token:
            kind, _, token = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), rules.token.encode()):
                raise Refusal(401, "A token is required: Authorization: Bearer TOKEN.")

    def _check_path(self, method: str, path: str) -> None:
        if any(mark in path for mark in ("..", "\\", "\0", "%", "//")) or not path.isprintable():
            raise Refusal(400, "The path holds characters that lead elsewhere.")
        first, *rest = path.strip("/").split("/")
        for closed, methods, why in _CLOSED:
            if first == closed and (methods is None or method in methods):
                raise Refusal(403, f"{method} /{closed} is closed: {why}.")
        if first == "datastore" and method == "DELETE" and rest[:1] != ["label"]:
            raise Refusal(403, "Films are never removed by this server.")
        if first == "infer" and rest[:1] == ["wsi"]:
            raise Refusal(403, "Whole-slide images are not served.")
        if first == "proxy":
            dicomweb = [each for each in rest[1:] if each not in ("wado", "qido", "stow")]
            if not self.rules.pacs or not dicomweb or dicomweb[0] not in _DICOMWEB:
                raise Refusal(404, "There is nothing here but the studies of a DICOMweb server.")
        if first in ("infer", "train", "scoring", "activelearning", "session", "batch", "model"):
            unsafe = [each for each in rest if each and not is_safe_id(each)]
            if unsafe:
                raise Refusal(400, "A name in the path is not one of letters, digits, dots, hyphens and underscores.")

    def _check_query(self, query: list[tuple[str, str]]) -> None:
        for key, value in query:
            if key in _IDENTIFIERS and value and not is_safe_id(value):
                raise Refusal(400, f"{key} is not one of letters, digits, dots, hyphens and underscores.")
            if key == "run_sync" and value.strip().lower() in _YES:
                raise Refusal(403, "run_sync would stop the server for everyone; leave it out and ask for the status.")
            if key == "uncompress" and value.strip().lower() in _YES:
                raise Refusal(403, "Archives are not unpacked; send the film itself.")

    def _too_large(self) -> Refusal:
        return Refusal(413, f"The request is larger than {self.rules.largest_body / MEGABYTE:g} MB.")


class _Body:
    """A request's body, counted; a server's answer to one that was cut off is held back."""

    def __init__(self, receive: Receive, send: Send, largest: int) -> None:
        self._receive, self._send, self._largest = receive, send, largest
        self._received, self._started = 0, False
        self.too_large = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._largest:
            self.too_large = True
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self.too_large and not self._started:
            return
        self._started = True
        await self._send(message)

    async def refuse(self) -> None:
        if not self._started:
            await answer(self._send, Refusal(413, f"The request is larger than {self._largest / MEGABYTE:g} MB."))


async def answer(send: Send, refusal: Refusal) -> None:
    """Send a refusal as JSON, and close the connection, since a body may still be on its way."""
    body = json.dumps({"detail": refusal.detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers.append((b"connection", b"close"))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def is_loopback(name: str) -> bool:
    """Whether an address or host name is this machine's own.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("10.0.0.7")
        (True, True, False)
    """
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _plain(path: str) -> str:
    """A path for the log: no line of it can be taken for another entry."""
    return path.encode("unicode_escape").decode()[:200]
