"""CVAT's side of the function, against a server that answers as ours does."""

from __future__ import annotations

import base64
import email.parser
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monai_tbkd.label.cvat_function import main

BOXES = [{"label": "tuberculosis", "score": 0.9, "bbox": [1, 2.5, 30, 40]},
         {"label": "tuberculosis", "score": 0.3, "bbox": [5, 6, 7, 8]}]  # fmt: skip


class Context:
    """nuclio's."""

    class Response:
        def __init__(self, body: str, headers: dict[str, str], content_type: str, status_code: int) -> None:
            self.body, self.headers = body, headers
            self.content_type, self.status_code = content_type, status_code


class Event:
    def __init__(self, body: Any) -> None:
        self.body = body


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A server that keeps what it was asked, and answers what a test wants."""
    state: dict[str, Any] = {"status": 200, "answer": {"status": "done", "boxes": BOXES}}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            (part,) = email.parser.BytesParser().parsebytes(head + body).get_payload()  # type: ignore[misc]
            state.update(path=self.path, token=self.headers.get("Authorization"), name=part.get_filename())
            state.update(
                field=part.get_param("name", header="content-disposition"), image=part.get_payload(decode=True)
            )
            content = json.dumps(state["answer"]).encode()
            self.send_response(state["status"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    site = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=site.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("TBKD_LABEL_URL", f"http://127.0.0.1:{site.server_address[1]}/")
    monkeypatch.delenv("TBKD_LABEL_TOKEN", raising=False)
    yield state
    site.shutdown()
    site.server_close()


def ask(image: bytes, **more: Any) -> Any:
    return main.handler(Context(), Event(json.dumps({"image": base64.b64encode(image).decode(), **more}).encode()))


def test_rectangles_in_image_pixels(server: dict[str, Any]) -> None:
    image = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    answer = ask(image)
    assert (server["path"], server["field"], server["name"]) == ("/infer/tb_boxes?output=json", "file", "image.png")
    assert server["image"] == image and server["token"] is None
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert json.loads(answer.body) == [
        {"confidence": "0.9", "label": "tuberculosis", "points": [1.0, 2.5, 30.0, 40.0], "type": "rectangle"},
        {"confidence": "0.3", "label": "tuberculosis", "points": [5.0, 6.0, 7.0, 8.0], "type": "rectangle"},
    ]


def test_threshold_of_the_annotator_and_token(server: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TBKD_LABEL_TOKEN", "secret")
    assert [box["confidence"] for box in json.loads(ask(b"\xff\xd8\xff\xe0", threshold=0.5).body)] == ["0.9"]
    assert server["token"] == "Bearer secret" and server["name"] == "image.jpg"


def test_a_refused_image_has_no_rectangles(server: dict[str, Any]) -> None:
    server["answer"] = {"status": "refused", "reason": "NOT_CHEST"}
    assert json.loads(ask(b"x").body) == []


def test_faults_are_answers(server: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    server["status"] = 401
    assert ask(b"x").status_code == 401
    assert main.handler(Context(), Event(b"{}")).status_code == 400
    assert main.handler(Context(), Event({"image": "no base64!"})).status_code == 400
    monkeypatch.setenv("TBKD_LABEL_URL", "http://127.0.0.1:9")
    away = ask(b"x")
    assert away.status_code == 502 and "does not answer" in away.body


def test_the_function_file_names_the_handler_and_the_label() -> None:
    function = yaml.safe_load((Path(main.__file__).parent / "function.yaml").read_text())
    module, name = function["spec"]["handler"].split(":")
    assert module == Path(main.__file__).stem and callable(getattr(main, name))
    (label,) = json.loads(function["metadata"]["annotations"]["spec"])
    assert (label["name"], label["type"]) == (main.LABEL, "rectangle")
    assert function["metadata"]["annotations"]["type"] == "detector"
    names = [each["name"] for each in function["spec"]["env"]]
    assert names == ["TBKD_LABEL_URL", "TBKD_LABEL_TOKEN"]
