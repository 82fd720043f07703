"""Each hole that the stock server has, tried on a real server with our guard: nothing is read, written or stopped."""

from __future__ import annotations

import http.client
import io
import json
import socket
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from monai_tbkd.label.image_ids import is_safe_id
from tests.dicom.ohif_reports import SENT
from tests.label_server.conftest import KnownImage
from tests.label_server.servers import LabelServer

PNG = b"\x89PNG\r\n\x1a\n"


def raw(server: LabelServer, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """A request whose path no client library has tidied up."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    connection.putrequest(method, path, skip_host="host" in {key.lower() for key in headers or {}})
    for key, value in (headers or {}).items():
        connection.putheader(key, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace")


def files_of(server: LabelServer) -> dict[str, tuple[int, int]]:
    """Every file that the server could write, but for its logs and its own passing files."""
    passing = ("uploads", "logs", "__pycache__", "sessions", ".lock")
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in server.app.parent.rglob("*")
        if path.is_file() and not set(passing) & set(path.parts) and path != server.log
    }


@pytest.fixture
def unchanged(folder_server: LabelServer) -> Iterator[LabelServer]:
    """The server; afterwards no file may have come, gone or changed, and it answers."""
    before = files_of(folder_server)
    outside = set(folder_server.app.parents[1].iterdir())
    yield folder_server
    assert files_of(folder_server) == before
    assert set(folder_server.app.parents[1].iterdir()) == outside
    assert folder_server.info()["datastore"]["total"] > 0


@pytest.mark.parametrize("identifier", ["../../x", "/tmp/x", "..", "a/../../x", "a\\..\\x", "%2e%2e/x", "a\0b", "a b"])
@pytest.mark.parametrize(
    ("method", "path", "part"),
    [
        ("PUT", "/datastore/image?image={}", "file"),
        ("PUT", "/datastore/?image={}", "file"),
        ("PUT", "/datastore/label?image={}", "label"),
        ("PUT", "/datastore/label?image=a.png&tag={}", "label"),
        ("PUT", "/datastore/image/info?image={}", None),
        ("PUT", "/datastore/label/info?label={}&tag=final", None),
        ("DELETE", "/datastore/label?id={}&tag=final", None),
        ("DELETE", "/datastore/label?id=a.png&tag={}", None),
        ("GET", "/datastore/image?image={}", None),
        ("GET", "/datastore/label?label={}&tag=final", None),
        ("POST", "/infer/tb_boxes?image={}", None),
        ("POST", "/infer/tb_boxes?session_id={}", None),
    ],
)
def test_identifiers_that_are_paths(
    unchanged: LabelServer, method: str, path: str, part: str | None, identifier: str
) -> None:
    import urllib.parse

    files = {part: ("x.json", b"{}")} if part else None
    answer = unchanged.request(method, path.format(urllib.parse.quote(identifier, safe="")), files=files)
    assert answer.status_code == 422, answer.text
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize("name", ["x.py", "x.pt", "x.sh", "x.html", "main.py"])
def test_files_that_are_no_images_or_labels(unchanged: LabelServer, name: str) -> None:
    image = unchanged.request("PUT", "/datastore/image?image=new", files={"file": (name, b"import os")})
    assert image.status_code == 422
    label = unchanged.request("PUT", "/datastore/label?image=a.png&tag=draft", files={"label": (name, b"import os")})
    assert label.status_code == 422
    looked_at = unchanged.request("POST", "/infer/tb_map?image=&output=image", files={"file": (name, b"import os")})
    assert looked_at.status_code == 422
    assert not kept_uploads(unchanged, b"import os")


def test_an_image_is_not_replaced(unchanged: LabelServer, images: dict[str, KnownImage]) -> None:
    content = images["b"].path.read_bytes()
    answer = unchanged.request("PUT", "/datastore/image?image=a.png", files={"file": ("x.png", content)})
    assert answer.status_code == 422
    assert "never replaced" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["/etc/hostname", "{images}", "{models}/model.pt", "/proc/self/environ", "../app/main.py"]
)
def test_files_that_are_no_uploads_are_not_read(
    unchanged: LabelServer, images: dict[str, KnownImage], path: str
) -> None:
    named = path.format(images=images["a"].path, models=unchanged.app / "bundle" / "models")
    for query in ("image=a.png", ""):
        answer = unchanged.request(
            "POST", f"/infer/tb_boxes?{query}", data={"params": json.dumps({"image": named})}, files={"x": b"y"}
        )
        assert answer.status_code == 422, answer.text
    assert unchanged.request("POST", "/infer/tb_boxes", params={"image": named}).status_code == 422


@pytest.mark.parametrize("tag", ["../../x", "/tmp/x", "a/b"])
def test_a_tag_in_params_is_checked_too(unchanged: LabelServer, tag: str) -> None:
    params = json.dumps({"save_label": True, "label_tag": tag})
    answer = unchanged.request("POST", "/infer/tb_boxes?image=a.png&output=json", data={"params": params})
    assert answer.status_code == 422
    assert "tag" in answer.json()["detail"]


@pytest.mark.parametrize("extension", [".py", "/../../x.png", ".png/../x"])
def test_an_extension_in_params_is_checked_too(unchanged: LabelServer, extension: str) -> None:
    params = json.dumps({"result_extension": extension})
    answer = unchanged.request("POST", "/infer/tb_map?image=a.png", data={"params": params})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/model/tb_boxes"),
        ("DELETE", "/model/tb_boxes"),
        ("GET", "/model/tb_boxes"),
        ("DELETE", "/datastore/image?id=a.png"),
        ("DELETE", "/datastore/?id=a.png"),
        ("POST", "/reload"),
        ("GET", "/logs/"),
        ("GET", "/logs/gpu"),
        ("POST", "/infer/wsi/tb_boxes?image=a.png"),
        ("POST", "/auth/token"),
        ("GET", "/static/favicon.ico"),
        ("POST", "/scoring/"),
    ],
)
def test_what_is_not_listed_does_not_exist(unchanged: LabelServer, method: str, path: str) -> None:
    answer = unchanged.request(method, path)
    assert answer.status_code in (404, 405), answer.text
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    ["/train/tb_student?run_sync=true", "/scoring/miou?run_sync=1", "/batch/infer/tb_boxes?run_sync=on",
     "/infer/tb_boxes?image=a.png&output=dicom_seg", "/infer/tb_boxes?image=a.png&label=b"],
)  # fmt: skip
def test_keys_and_values_that_are_not_listed(unchanged: LabelServer, path: str) -> None:
    answer = unchanged.request("POST", path)
    assert answer.status_code == 422, answer.text
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize("path", ["/train/tb_student", "/scoring/miou", "/batch/infer/tb_boxes", "/train/"])
def test_no_code_of_a_request_runs(folder_server: LabelServer, tmp_path: Path, path: str) -> None:
    """A task's process took ``bundle_path`` of a request into its Python path, and imports what lies there."""
    (tmp_path / "sitecustomize.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    for body in ({"bundle_path": str(tmp_path)}, {"tb_student": {"bundle_path": str(tmp_path)}}):
        answer = folder_server.request("POST", path, json=body)
        assert answer.status_code == 422, answer.text
    assert not (tmp_path / "ran").exists()


def test_a_session_keeps_images_alone(folder_server: LabelServer, images: dict[str, KnownImage]) -> None:
    for name, content in (("a.py", b"import os"), ("a.png", b"#!/bin/sh"), ("a.zip", b"PK\x03\x04" + bytes(99))):
        answer = folder_server.request("PUT", "/session/", files={"files": (name, content)})
        assert answer.status_code == 422 and name in answer.json()["detail"], answer.text
    content = images["a"].path.read_bytes()
    answer = folder_server.request("PUT", "/session/", files={"files": ("../x.py", content)}, data={"client_id": "me"})
    session = answer.json()
    assert str(folder_server.app.parent) not in answer.text
    assert session["session_info"]["image"] == "image0001.png"
    kept = folder_server.app / "sessions"
    assert kept.stat().st_mode & 0o077 == 0
    assert [path.name for path in kept.rglob("*.png")] == ["image0001.png"]
    path = f"/session/{session['session_id']}"
    assert folder_server.request("GET", f"{path}?image=true").content == content
    assert folder_server.request("DELETE", path).status_code == 200
    assert folder_server.request("GET", path).status_code == 404
    assert not list(kept.rglob("*.png"))


def test_logs_are_private_and_hold_neither_bodies_nor_names_of_uploads(folder_server: LabelServer) -> None:
    label = {"label": ("Smith_John_1950.json", b'{"image_label": "tb"}')}
    params = {"params": json.dumps({"note": "Doe^Jane"})}
    for method, path, more in (
        ("PUT", "/datastore/label?image=b.png&tag=log", {"files": label, "data": params}),
        ("PUT", "/datastore/label?image=b.png&tag=log", {"files": {"label": ("Smith_John_1950.json", b"{")}}),
        ("POST", "/infer/tb_boxes", {"files": {"file": ("Smith_John_1950.png", b"x")}, "data": {"params": "{}"}}),
        ("PUT", "/session/", {"files": {"files": ("Smith_John_1950.png", b"x")}}),
        ("POST", "/train/tb_student", {"json": {"client_id": "Doe^Jane", "finetune_epochs": "Doe^Jane"}}),
        ("POST", "/scoring/miou", {"json": {"client_id": "Doe^Jane"}}),
    ):
        folder_server.request(method, path, **more)
    folder_server.request("DELETE", "/datastore/label?id=b.png&tag=log").raise_for_status()
    folder_server.request("DELETE", "/scoring/").raise_for_status()
    assert (folder_server.app / "logs").stat().st_mode & 0o077 == 0
    for path in (folder_server.log, *(folder_server.app / "logs").iterdir()):
        content = path.read_text(encoding="utf-8", errors="replace")
        assert "Smith" not in content and "Jane" not in content


def test_an_archive_is_not_unpacked(unchanged: LabelServer) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../../escaped"), io.BytesIO())
    files = {"files": ("x.tar", packed.getvalue())}
    assert unchanged.request("PUT", "/session/?uncompress=true", files=files).status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "/proxy/dicom/../instances",
        "/proxy/dicom/%2e%2e/instances",
        "/proxy/dicom/%252e%252e/instances",
        "/proxy/dicom/studies/../../instances",
        "/proxy/dicom/tools/execute-script",
        "/proxy/dicom/wado/",
        "/ohif/../../../config.py",
        "/ohif/%2e%2e/%2e%2e/config.py",
        "/ohif/..%2f..%2f..%2fconfig.py",
        "/ohif/x%00",
        "/session/%2e%2e",
        "/static/..%2f..%2fconfig.py",
        "//etc/passwd",
    ],
)
def test_paths_that_lead_elsewhere(unchanged: LabelServer, path: str) -> None:
    for method in ("GET", "POST"):
        status, body = raw(unchanged, method, path)
        assert status in (404, 405, 422), (status, body)
        assert "root:" not in body


def test_the_proxy_leads_to_studies_alone(pacs_server: LabelServer) -> None:
    assert raw(pacs_server, "GET", "/proxy/dicom/studies")[0] == 200
    for path in (
        "/proxy/dicom/../../instances",
        "/proxy/dicom/%252e%252e/instances",
        "/proxy/dicom/instances%2f..%2f..",
        "/proxy/dicom/studies%2f1.2.3%2f..%2f..%2f..%2fsystem",
        "/proxy/dicom/studies/1..2",
    ):
        assert raw(pacs_server, "GET", path)[0] == 404
    assert raw(pacs_server, "GET", "/proxy/dicom/system")[0] == 404


def test_other_machines_are_refused_although_the_server_listens(folder_server: LabelServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    port = int(folder_server.url.rsplit(":", 1)[1])
    connection = http.client.HTTPConnection(address, port, timeout=10)
    connection.request("GET", "/info/")
    answer = connection.getresponse()
    assert answer.status == 403
    assert "other machines" in answer.read().decode()


def test_foreign_pages_are_refused(unchanged: LabelServer) -> None:
    for method in ("GET", "OPTIONS", "POST"):
        answer = unchanged.request(method, "/info/", headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert unchanged.request("GET", "/info/", headers={"Origin": "null"}).status_code == 403
    assert unchanged.request("GET", "/info/", headers={"Origin": unchanged.url}).status_code == 200
    assert raw(unchanged, "GET", "/info/", {"Host": "evil.example"})[0] == 403  # DNS rebinding
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
        assert unchanged.request("GET", "/info/", headers={"Sec-Fetch-Site": site}).status_code == status
    for host in ("[", "[::1", "127.0.0.1:port", "a b", "127.0.0.1@evil", "[::zz]", "127.0.0.1/.."):
        assert raw(unchanged, "GET", "/info/", {"Host": host})[0] == 400, host
    for origin in ("http://[", "file:///x", "127.0.0.1", "http://a b"):
        assert raw(unchanged, "GET", "/info/", {"Host": "127.0.0.1", "Origin": origin})[0] == 400, origin


def test_a_large_body_is_refused_with_and_without_its_length(unchanged: LabelServer) -> None:
    large = b"x" * (3 * 2**20)
    answer = unchanged.request("PUT", "/datastore/label?image=a.png", files={"label": ("l.json", large)})
    assert answer.status_code == 413

    def chunks() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="label"; filename="l.json"\r\n\r\n'
        for _ in range(48):
            yield b"x" * 65536
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = unchanged.request("PUT", "/datastore/label?image=a.png", data=chunks(), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.json", b"[" * 200_000),
        ("l.json", b'{"boxes": [[0, 0, 1e999, 5]]}'),
        ("l.xml", b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><annotations>&b;</annotations>"),
        ("l.png", PNG + b"x" * 100),
        ("l.dcm", bytes(128) + b"DICM" + b"x" * 100),
        ("l.dcm", SENT.read_bytes()),  # of another image
        ("l.nrrd", b"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 9 9\nencoding: raw\ndata file: /etc/passwd\n\n"),
        ("l.nrrd", b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 99999 99999 1\nencoding: gzip\n\n"),
        ("l.nrrd", b"NRRD0004\rtype: uint8\rdimension: 2\rsizes: 9 9\rencoding: raw\rdata file: /etc/passwd\r\r"),
        (
            "l.nrrd",
            b"NRRD0004\ntype: uint8\ndimension: 16\nsizes: 9 9" + b" 1" * 14 + b"\nencoding: raw\n\n" + bytes(81),
        ),
        ("l.nrrd", b"\x89HDF\r\n\x1a\n" + bytes(600)),
        ("l.json", json.dumps({"boxes": [[0, 0, 1, 1]] * 200_000}).encode()[: 2**20]),
    ],
)
def test_labels_made_to_hurt(unchanged: LabelServer, name: str, content: bytes) -> None:
    start = time.monotonic()
    answer = unchanged.request("PUT", "/datastore/label?image=a.png", files={"label": (name, content)})
    assert answer.status_code == 422, answer.text
    assert time.monotonic() - start < 20
    assert not kept_uploads(unchanged, content)


def test_params_that_are_no_json_or_no_options(unchanged: LabelServer) -> None:
    for params in ("{", '{"map_threshold": 7}', '{"image": ["a.png"]}', '{"model": "no_such"}'):
        answer = unchanged.request("POST", "/infer/tb_boxes?image=a.png", data={"params": params})
        assert answer.status_code in (404, 422), (params, answer.text)


NO_OBJECTS = {
    "[1]": "not an object",
    "5": "not an object",
    '"text"': "not an object",
    "null": "not an object",
    '{"a": NaN}': "not JSON",
    '{"a": 1e999}': "not JSON",
    '{"a": ' + "[" * 20_000: "nested",
    '{"a": ' + "[" * 40 + "]" * 40 + "}": "nested",
    "{": "not JSON",
}


@pytest.mark.parametrize("text", NO_OBJECTS)
def test_params_that_are_no_object_are_answered_with_a_sentence(unchanged: LabelServer, text: str) -> None:
    label, image = {"label": ("l.json", b'{"image_label": "tb"}')}, {"file": ("f.png", PNG)}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/infer/tb_boxes?image=a.png", {"data": {"params": text}}),
        ("PUT", "/datastore/label?image=a.png", {"data": {"params": text}, "files": label}),
        ("PUT", "/datastore/image?image=new", {"data": {"params": text}, "files": image}),
        ("PUT", "/datastore/image/info?image=a.png", {"data": {"info": text}}),
        ("PUT", "/datastore/label/info?label=a.png&tag=final", {"data": {"info": text}}),
    ]
    for method, path, more in asked:
        answer = unchanged.request(method, path, **more)
        assert answer.status_code == 422, (path, answer.text)
        assert NO_OBJECTS[text] in answer.json()["detail"], path
    headers = {"Content-Type": "application/json"}
    for path in ("/train/tb_student", "/activelearning/random", "/scoring/miou", "/batch/infer/tb_boxes"):
        if text == "null":
            continue  # no body
        answer = unchanged.request("POST", path, data=text, headers=headers)
        assert answer.status_code in (400, 422), (path, answer.text)
        assert answer.json()["detail"], path


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/infer/no_such?image=a.png", None, 404),
        ("/infer/tb_boxes", None, 422),
        ("/train/no_such", {}, 404),
        ("/train/tb_student", {"model": "no_such"}, 422),
        ("/train/tb_student", {"note": "x" * 200_000}, 413),
        ("/train/tb_student", {"finetune_epochs": "many"}, 422),
        ("/train/", {"tb_student": {"box_weight": -1}}, 422),
        ("/scoring/no_such", None, 404),
        ("/activelearning/no_such", None, 404),
        ("/batch/infer/no_such", {}, 404),
        ("/batch/infer/tb_boxes", {"label_tag": "../x"}, 422),
        ("/batch/infer/tb_boxes", {"gpus": 5}, 422),
        ("/batch/infer/tb_boxes", {"label_tag": "final"}, 422),
        ("/batch/infer/tb_boxes", {"images": ["../x"]}, 422),
    ],
)
def test_tasks_that_cannot_be_are_not_begun(
    unchanged: LabelServer, path: str, body: dict[str, Any] | None, status: int
) -> None:
    """A task runs in a process of its own; its mistakes would be answered with 200 and found in a log."""
    answer = unchanged.request("POST", path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_a_label_is_read_whole_while_others_replace_it(folder_server: LabelServer) -> None:
    """The server's own handler looks at the file's size, and opens it when it sends it."""
    labels = {size: json.dumps({"image_label": "non_tb", "padding": "x" * size}).encode() for size in (10, 300_000)}
    position = "/datastore/label?image=b.png&tag=read"

    def write(number: int) -> None:
        if number % 3 == 2:
            folder_server.request("DELETE", "/datastore/label?id=b.png&tag=read").raise_for_status()
            return
        files = {"label": ("l.json", list(labels.values())[number % 3])}
        folder_server.request("PUT", position, files=files).raise_for_status()

    def read(_: int) -> bytes:
        answer = folder_server.request("GET", "/datastore/label?label=b.png&tag=read")
        assert answer.status_code in (200, 404), answer.text
        return answer.content if answer.ok else b""

    with ThreadPoolExecutor(1) as writers, ThreadPoolExecutor(8) as readers:
        written = writers.map(write, range(60))
        read_back = list(readers.map(read, range(240)))
        list(written)
    assert set(read_back) <= {*labels.values(), b""} and len(set(read_back)) > 1
    folder_server.request("DELETE", "/datastore/label?id=b.png&tag=read").raise_for_status()


def test_every_image_has_an_identifier_that_is_let_through(
    folder_server: LabelServer, images: dict[str, KnownImage]
) -> None:
    listed: dict[str, Any] = folder_server.request("GET", "/datastore/?output=all").json()["objects"]
    assert all(is_safe_id(each) for each in listed)
    assert {each.id for each in images.values()} <= set(listed)
    nested = images["c"].id
    answer = folder_server.request("GET", f"/datastore/image?image={nested}")
    assert answer.content == images["c"].path.read_bytes()


def test_an_upload_is_looked_at_and_taken_away(folder_server: LabelServer, images: dict[str, KnownImage]) -> None:
    """What a path check must not break: CVAT sends the image itself, 3D Slicer a session."""
    content = images["a"].path.read_bytes()
    by_file = folder_server.request("POST", "/infer/tb_score?image=&output=json", files={"file": ("f.png", content)})
    session = folder_server.request("PUT", "/session/", files={"files": ("s.png", content)}).json()["session_id"]
    by_session = folder_server.request("POST", f"/infer/tb_score?session_id={session}&output=json")
    own = folder_server.request("POST", "/infer/tb_score?image=a.png&output=json").json()
    assert by_file.json()["image_score"] == by_session.json()["image_score"] == own["image_score"]
    new = folder_server.request("PUT", "/datastore/image?image=new", files={"file": ("n.png", content)})
    assert new.json() == {"image": "new.png"}
    (Path(folder_server.app.parent) / "images" / "new.png").unlink()
    # the server takes uploads away after it has answered
    until = time.monotonic() + 30
    while (left := kept_uploads(folder_server, content)) and time.monotonic() < until:
        time.sleep(0.2)
    assert not left


def kept_uploads(server: LabelServer, content: bytes) -> list[Path]:
    found = []
    for path in (server.app / "uploads").rglob("*"):
        with suppress(OSError):  # taken away meanwhile, or a folder
            if path.read_bytes() == content:
                found.append(path)
    return found
