"""Who may ask the MONAI Label server, and how much; `routes` says what may be asked.

Starlette's parts do not do (measured with 1.10): TrustedHostMiddleware takes the first of two Host headers and knows no
ranges of addresses, HTTPBearer asks after the body was read and not before ``/openapi.json``, nothing limits a body.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from monai_tbkd.data.files.loopback import is_loopback
from monai_tbkd.label.server_conf import ServerConf

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LARGEST_TEXT = 96 * 1024
"""Bytes of a body that is no upload: a task's process gets it as one argument, of which Linux takes 128 KiB."""
_ONCE = ("host", "origin", "authorization", "content-length", "content-type", "sec-fetch-site")
_HOST = re.compile(r"([\w.-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?", re.ASCII)
_ORIGIN = re.compile(rf"null|https?://{_HOST.pattern}", re.ASCII)
# The one set of characters that is needed; Python has others that take minutes for a megabyte, such as punycode.
_UTF_8 = re.compile(r"charset *= *\"?utf-?8\"? *(;|$)")


class Refusal(Exception):  # noqa: N818  # it is an answer, not a fault
    """An answer of the guard: status of HTTP and a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail

    async def send(self, send: Send) -> None:
        """Answer as JSON, and close the connection, since a body may still be on its way."""
        body = json.dumps({"detail": self.detail}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(b"connection", b"close"), *([(b"www-authenticate", b"Bearer")] if self.status == 401 else [])]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Guard:
    """ASGI middleware before the whole server."""

    def __init__(self, app: App, conf: ServerConf) -> None:
        self.app, self.conf = app, conf

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        if scope["type"] != "http":
            return  # the server has no web sockets; the connection is closed
        try:
            headers = _headers(scope)
            self._check_sender((scope.get("client") or ("127.0.0.1",))[0], headers)
            body = _Body(receive, send, self._largest(headers))
        except Refusal as refusal:
            logger.warning("%s: %d", scope["method"], refusal.status)
            await refusal.send(send)
            return
        try:
            await self.app(scope, body.receive, body.send)
        except Exception:
            if not body.too_large:
                raise
        if body.too_large and not body.started:
            await _too_large(body.largest).send(send)

    def _check_sender(self, client: str, headers: Mapping[str, str]) -> None:
        conf = self.conf
        if not conf.remote and not is_loopback(client):
            raise Refusal(403, "Requests from other machines are refused; start with --conf remote true to allow them.")
        host = headers.get("host", "")
        if (named := _HOST.fullmatch(host)) is None:
            raise Refusal(400, "The Host header is not the name or address of a machine.")
        name = named[1].strip("[]").lower()
        allowed = is_loopback(name) or name in conf.hosts or (conf.remote and not conf.hosts)
        if not allowed:  # a web page whose name was made to lead here (DNS rebinding)
            raise Refusal(403, "The server is not called by this name; start with --conf hosts NAME to allow it.")
        origin = headers.get("origin")
        if origin is not None and not _ORIGIN.fullmatch(origin):
            raise Refusal(400, "The Origin header is not the address of a web page.")
        own = origin in conf.origins or (origin or "").partition("://")[2] == host != ""
        if origin is None:  # a browser leaves it out with pictures, links and forms of another page
            own = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        if not own:
            raise Refusal(403, "Web pages of another origin are refused; start with --conf origins URL to allow one.")
        if conf.token:
            kind, _, token = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), conf.token.encode()):
                raise Refusal(401, "A token is required: Authorization: Bearer TOKEN.")

    def _largest(self, headers: Mapping[str, str]) -> int:
        """The most bytes that the body may have."""
        kind = headers.get("content-type", "").lower()
        if "charset" in _UTF_8.sub("", kind, count=1):
            raise Refusal(415, "The Content-Type header names a charset; expected utf-8, or none.")
        largest = self.conf.largest_body
        largest = largest if kind.startswith("multipart/") else min(LARGEST_TEXT, largest)
        length = headers.get("content-length", "0")
        if not re.fullmatch("[0-9]{1,15}", length) or int(length) > largest:
            raise _too_large(largest)
        return largest


class _Body:
    """A request's body, counted; a server's answer to one that was cut off is held back."""

    def __init__(self, receive: Receive, send: Send, largest: int) -> None:
        self._receive, self._send, self.largest = receive, send, largest
        self._received, self.started, self.too_large = 0, False, False

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        self.too_large |= self._received > self.largest
        return {"type": "http.disconnect"} if self.too_large else message

    async def send(self, message: Message) -> None:
        if self.started or not self.too_large:
            self.started = True
            await self._send(message)


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    """Headers by their names in small letters; those that decide may stand once."""
    headers: dict[str, str] = {}
    for key, value in scope["headers"]:
        name = key.decode("latin-1").lower()
        if name in _ONCE and name in headers:
            raise Refusal(400, f"The header {name} stands twice.")
        headers[name] = value.decode("latin-1")
    return headers


def _too_large(largest: int) -> Refusal:
    return Refusal(413, f"The request is larger than {round(largest / 2**20, 3):g} MB.")
