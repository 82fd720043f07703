"""A proxy in front of an archive that passes requests on and spoils chosen answers."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import requests


class Reply(NamedTuple):
    """An answer on its way; a ``length`` other than the body's breaks it off."""

    status: int
    body: bytes
    headers: dict[str, str]
    length: int | None = None


Fault = Callable[[str, Callable[[], Reply]], Reply]
"""Makes an answer from the path and query, and from what asks the archive, which it may leave alone."""


class FaultProxy:
    """An HTTP server on this machine, in front of another one.

    Args:
        root: URL of the other server, without a path.

    Attributes:
        faults: method, pattern of path and query, and fault; the first that fits is taken.
        requests: the lines of all requests so far, such as ``GET /dicom-web/studies``.
    """

    def __init__(self, root: str) -> None:
        self.faults: list[tuple[str, str, Fault]] = []
        self.requests: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def reply(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.requests.append(f"{self.command} {self.path}")
                kept = {key: value for key, value in self.headers.items() if key in ("Accept", "Content-Type")}

                def ask() -> Reply:
                    answer = requests.request(self.command, root + self.path, data=body, headers=kept, timeout=20)
                    kind = answer.headers.get("Content-Type", "")
                    return Reply(answer.status_code, answer.content, {"Content-Type": kind})

                fault = next(
                    (
                        make
                        for method, path, make in proxy.faults
                        if method == self.command and re.search(path, self.path)
                    ),
                    None,
                )
                self.send(ask() if fault is None else fault(self.path, ask))

            def send(self, answer: Reply) -> None:
                self.send_response(answer.status)
                length = len(answer.body) if answer.length is None else answer.length
                for key, value in {**answer.headers, "Content-Length": str(length)}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = reply

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/dicom-web"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._server.server_close()
