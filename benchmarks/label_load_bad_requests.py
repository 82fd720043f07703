"""The requests of ``label_load.py`` that a server has to refuse, each with the status of the refusal."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image

MEGABYTE = 2**20


def _nothing() -> dict[str, Any]:
    return {}


def _form(params: str, **files: tuple[str, bytes]) -> Callable[[], dict[str, Any]]:
    return lambda: {"data": {"params": params}, **({"files": files} if files else {})}


def _json(text: str) -> Callable[[], dict[str, Any]]:
    return lambda: {"data": text, "headers": {"Content-Type": "application/json"}}


def _label(name: str, content: bytes) -> Callable[[], dict[str, Any]]:
    return lambda: {"files": {"label": (name, content)}}


def _large_without_length() -> dict[str, Any]:
    def chunks() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="label"; filename="l.json"\r\n\r\n'
        for _ in range(80):
            yield b"x" * 65536
        yield b"\r\n--b--\r\n"

    return {"data": chunks(), "headers": {"Content-Type": "multipart/form-data; boundary=b"}}


_OFF_FILM = json.dumps({"boxes": [{"label": "tuberculosis", "bbox": [9000, 9000, 9100, 9100]}]}).encode()
_SMALL_MASK = io.BytesIO()
Image.new("L", (10, 12)).save(_SMALL_MASK, "png")
_INFER, _LABEL = "/infer/tb_boxes?image={film}", "/datastore/label?image={film}"
BAD: dict[str, tuple[str, str, int, Callable[[], dict[str, Any]]]] = {
    "film that is not there": ("POST", "/infer/tb_boxes?image=no_such.png", 404, _nothing),
    "film that is a path": ("POST", "/infer/tb_boxes?image=../../etc/passwd", 422, _nothing),
    "path in params": ("POST", _INFER, 422, _form('{"image": "/etc/passwd"}')),
    "path of no characters": ("POST", _INFER, 422, _form('{"image": "a\\u0000b"}')),
    "no film": ("POST", "/infer/tb_boxes", 422, _nothing),
    "session that is not there": ("POST", "/infer/tb_boxes?session_id=no-such", 404, _nothing),
    "model that is not there": ("POST", "/infer/no_such?image={film}", 404, _nothing),
    "broken params": ("POST", _INFER, 422, _form("{")),
    "params that are a list": ("POST", _INFER, 422, _form("[1]")),
    "params nested without end": ("POST", _INFER, 422, _form('{"a": ' + "[" * 20_000)),
    "threshold out of range": ("POST", _INFER, 422, _form('{"map_threshold": 7}')),
    "output that is none": ("POST", _INFER + "&output=xml", 422, _nothing),
    "DICOM SEG": ("POST", _INFER + "&output=dicom_seg", 422, _nothing),
    "large body": ("PUT", _LABEL, 413, _label("l.json", b"x" * (5 * MEGABYTE))),
    "large body without a length": ("PUT", _LABEL, 413, _large_without_length),
    "label that is no JSON": ("PUT", _LABEL, 422, _label("l.json", b'{"boxes": [')),
    "label off the film": ("PUT", _LABEL, 422, _label("l.json", _OFF_FILM)),
    "label that is a program": ("PUT", _LABEL, 422, _label("l.py", b"import os")),
    "label with entities": ("PUT", _LABEL, 422, _label("l.xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")),
    "label that is no picture": ("PUT", _LABEL, 422, _label("l.png", b"\x89PNG\r\n\x1a\n" + b"x" * 100)),
    "mask of another size": ("PUT", _LABEL, 422, _label("l.png", _SMALL_MASK.getvalue())),
    "label of no film": ("PUT", "/datastore/label?image=no_such.png", 404, _label("l.json", b'{"boxes": []}')),
    "tag that is a path": ("PUT", _LABEL + "&tag=../../x", 422, _label("l.json", b'{"boxes": []}')),
    "label params with NaN": ("PUT", _LABEL, 422, _form('{"a": NaN}', label=("l.json", b'{"boxes": []}'))),
    "no label": ("PUT", _LABEL, 422, _form("{}")),
    "label that is not there": ("GET", "/datastore/label?label={film}&tag=no_such", 404, _nothing),
    "film uploaded that is none": (
        "PUT",
        "/datastore/image?image=new",
        422,
        lambda: {"files": {"file": ("x.png", b"x")}},
    ),
    "film removed": ("DELETE", "/datastore/image?id={film}", 405, _nothing),
    "note on no film": ("PUT", "/datastore/image/info?image=no_such.png", 404, lambda: {"data": {"info": "{}"}}),
    "note that is no JSON": ("PUT", "/datastore/image/info?image={film}", 422, lambda: {"data": {"info": "{"}}),
    "strategy that is not there": ("POST", "/activelearning/no_such", 404, _json("{}")),
    "broken body": ("POST", "/activelearning/random", 422, _json("{")),
    "training that is not there": ("POST", "/train/no_such", 404, _json("{}")),
    "training with impossible options": ("POST", "/train/tb_student", 422, _json('{"finetune_epochs": "$1"}')),
    "training that all would wait for": ("POST", "/train/tb_student?run_sync=true", 422, _json("{}")),
    "batch of no model": ("POST", "/batch/infer/no_such", 404, _json("{}")),
    "weights replaced": ("PUT", "/model/tb_boxes", 404, _nothing),
    "logs read": ("GET", "/logs/", 404, _nothing),
    "another web page": ("GET", "/info/", 403, lambda: {"headers": {"Origin": "https://evil.example"}}),
    "another host": ("GET", "/info/", 403, lambda: {"headers": {"Host": "evil.example"}}),
    "code in a task's process": ("POST", "/train/tb_student", 422, _json('{"bundle_path": "/tmp"}')),
    "note of the app": (
        "PUT",
        "/datastore/image/info?image={film}",
        422,
        lambda: {"data": {"info": '{"strategy": 1}'}},
    ),
    "label that says nothing": ("PUT", _LABEL, 422, _label("l.json", b'{"boxes": []}')),
    "another site": ("GET", "/info/", 403, lambda: {"headers": {"Sec-Fetch-Site": "cross-site"}}),
    "nothing there": ("GET", "/no/such/path", 404, _nothing),
    "method that is none": ("PATCH", "/info/", 405, _nothing),
}
