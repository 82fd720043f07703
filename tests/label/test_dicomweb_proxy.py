"""What viewers ask of the DICOMweb server behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

pytest.importorskip("fastapi")

from fastapi import HTTPException

from monai_tbkd.label.dicomweb_proxy import DicomwebProxy


class Behind(BaseHTTPRequestHandler):
    asked: list[tuple[str, str, dict[str, str], bytes]] = []

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(302 if self.path.endswith("/9") else 200)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Set-Cookie", "a=b")
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def proxy() -> Iterator[DicomwebProxy]:
    server = HTTPServer(("127.0.0.1", 0), Behind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield DicomwebProxy(f"http://127.0.0.1:{server.server_port}/dicom-web/", ("me", "secret"), {"qido": "q"})
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_passed_on(proxy: DicomwebProxy) -> None:
    headers = {"accept": "application/dicom+json", "cookie": "c=d", "authorization": "Bearer own", "host": "x"}
    answer = proxy("GET", "qido/studies/1.2/series", headers)
    assert (answer.status_code, answer.body) == (200, b"[]")
    assert answer.headers["content-type"] == "application/dicom+json" and "set-cookie" not in answer.headers
    method, path, sent, _ = Behind.asked[-1]
    assert (method, path) == ("GET", "/dicom-web/q/studies/1.2/series")
    assert sent["authorization"].startswith("Basic ") and "cookie" not in sent
    proxy("POST", "studies", {"content-type": "multipart/related; boundary=b"}, b"body")
    assert Behind.asked[-1][3] == b"body"


def test_what_is_not(proxy: DicomwebProxy) -> None:
    for path in ("system", "studies/..", "studies/1..2", "wado/", "wado/../instances", "studies?limit=1", "studies/1 "):
        with pytest.raises(HTTPException) as refused:
            proxy("GET", path, {})
        assert refused.value.status_code == 404
    for other, path in ((proxy, "studies/9"), (DicomwebProxy("http://127.0.0.1:1", None, {}), "studies")):
        with pytest.raises(HTTPException) as refused:
            other("GET", path, {})
        assert refused.value.status_code == 502
