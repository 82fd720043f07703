"""Answers that no archive should give: each is one error, in time, and the log has nothing of the query."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from monai_tbkd.data import ImageError
from monai_tbkd.pacs import (
    Archive,
    ArchiveError,
    ArchiveGoneError,
    ArchiveRefusalError,
    ImageAddress,
    archive_connection,
    archive_session,
)

SESSION = import_module("monai_tbkd.pacs.archive_session")  # the package gives the function of this name
IMAGE = ImageAddress("1.2", "1.3", "1.4")
Respond = Callable[[str], Iterator[bytes] | list[bytes]]


@pytest.fixture
def serve() -> Iterator[Callable[[Respond], Archive]]:
    """An archive whose answers to a path are these bytes."""
    listeners: list[socket.socket] = []
    ended = threading.Event()

    def start(respond: Respond) -> Archive:
        def talk(client: socket.socket) -> None:
            with client:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += client.recv(2**16) or b"\r\n\r\n"
                try:
                    for part in respond(request.split(b" ")[1].decode()):
                        client.sendall(part)
                        if ended.is_set():
                            return
                except OSError:
                    pass

        def accept() -> None:
            try:
                while True:
                    threading.Thread(target=talk, args=listener.accept()[:1], daemon=True).start()
            except OSError:
                pass

        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=accept, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/dicom-web"
        return Archive(url, archive_session(url), 0)

    yield start
    ended.set()
    for listener in listeners:
        listener.close()


def answer(status: str = "200 OK", body: bytes = b"[]", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def dripping(start: bytes, drop: bytes) -> Iterator[bytes]:
    yield start
    while True:
        time.sleep(0.05)
        yield drop


DRIPS = {
    "head": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n[", b" "),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 99999\r\n\r\n", b" "),
}


@pytest.mark.parametrize("what", DRIPS)
def test_an_answer_that_drips_is_not_waited_for_forever(
    serve: Callable[[Respond], Archive], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(SESSION, "GRACE", 0.3)
    archive, began = serve(lambda path: dripping(*DRIPS[what])), time.monotonic()
    with pytest.raises((ArchiveGoneError, ArchiveRefusalError)):
        archive.series("1.2")
    assert time.monotonic() - began < 5


def test_a_slow_answer_is_read(serve: Callable[[Respond], Archive], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SESSION, "GRACE", 0.1)

    def slow(path: str) -> Iterator[bytes]:
        yield answer(body=b" " * 1500 + b"[]")[:-1500]
        time.sleep(0.5)
        yield b" " * 1498 + b"[]"

    serve(slow).check()


ODD = {
    "a chunk of a negative size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n[]",
    "a redirect in no text": answer("302 Found", b"", "Location: /\xff/1.2"),
    "a redirect without an address": answer("302 Found", b""),
    "a redirect in a circle": answer("302 Found", b"", "Location: /dicom-web/1.2"),
    "no content, but 200": answer(body=b""),
    "202": answer("202 Accepted"),
    "206": answer("206 Partial Content"),
    "too many values": answer(body=b"[" + b"[]," * 60 + b"[]]"),
    "a coding that is none": answer("200 OK", b"xx", "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("what", ODD)
def test_odd_answers_are_errors_of_one_request(
    serve: Callable[[Respond], Archive], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    monkeypatch.setattr(archive_connection, "_MOST_VALUES", 50)
    archive = serve(lambda path: [ODD[what] if "1.2" in path else answer()])
    with pytest.raises(ArchiveRefusalError):
        archive.series("1.2")
    with pytest.raises(ArchiveRefusalError):
        archive.headers("1.2", "1.3")
    with pytest.raises(ImageError, match="NOT_FETCHED"):
        archive.fetch(IMAGE, tmp_path / "image")
    archive.check()


def test_401_to_one_study_is_of_that_study(serve: Callable[[Respond], Archive]) -> None:
    archive = serve(lambda path: [answer("401 Unauthorized") if "1.2" in path else answer()])
    with pytest.raises(ArchiveRefusalError, match="answers 401"):
        archive.series("1.2")
    with pytest.raises(ArchiveError, match="wants other credentials"):
        serve(lambda path: [answer("401 Unauthorized")]).series("1.2")


def test_odd_headers_put_no_query_into_the_log(
    serve: Callable[[Respond], Archive], caplog: pytest.LogCaptureFixture
) -> None:
    archive = serve(lambda path: [b"HTTP/1.1 200 OK\r\nno header\r\n\r\n[]"])
    list(archive.studies(("CR",), {"PatientName": "Secret"}))
    assert "no CR studies" in caplog.text and not re.search("Secret", caplog.text)
