"""Answers that come too slowly: a server that sends a byte now and then holds a request for ever."""

from __future__ import annotations

import functools
import io
import time
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter

GRACE = 60.0
"""Seconds for the start of an answer."""
LEAST_RATE = 1000.0
"""Bytes that must come in each second after that, on average."""


class InTimeAdapter(HTTPAdapter):
    """Break off answers, head and content, that come more slowly than `LEAST_RATE`; it reads as a timeout."""

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
