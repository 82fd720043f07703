"""What may be asked, without a server: the routes on a store of two images, and no model."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY

httpx = pytest.importorskip("httpx", reason="not in this environment: make test-label runs these")
pytest.importorskip("monailabel", reason="monailabel is not installed here: make test-label runs these")

BOX = [3.0, 4.0, 10.0, 12.0]
LABEL = json.dumps({"boxes": [BOX]}).encode()


class StoreOnly:
    """The part of the app that needs no model; what tasks would get is kept."""

    def __init__(self, images: Path, sessions: Path) -> None:
        from monailabel.utils.sessions import Sessions

        from monai_tbkd.label.image_sources import FolderSource
        from monai_tbkd.label.image_store import ImageStore
        from monai_tbkd.label.label_folder import LabelFolder
        from monai_tbkd.label.strategies import RandomImage

        labels = LabelFolder(images / "tbkd_labels")
        self.store = ImageStore(FolderSource(images, labels.root, 0), labels, "images")
        self.kept = Sessions(str(sessions))
        self.random = RandomImage()

    def datastore(self) -> Any:
        return self.store

    def sessions(self) -> Any:
        return self.kept

    def info(self) -> dict[str, Any]:
        return {"name": "images"}

    def names(self, kind: str) -> list[str]:
        return {"train": ["tb_student"], "scoring": ["miou"], "activelearning": ["random"]}.get(kind, ["tb_boxes"])

    def next_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        return self.random(request, self.store) or {}


class Client:
    """Asks an API in this process."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def __call__(self, method: str, path: str, **more: Any) -> Any:
        async def ask() -> Any:
            transport = httpx.ASGITransport(self.api, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **more)

        return asyncio.run(ask())


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    gray = (np.arange(30 * 40) % 251).reshape(30, 40).astype(np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(gray).save(folder / name)
    return folder


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files that come with requests lie."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def ask(images: Path, uploads: Path, tmp_path: Path) -> Iterator[Client]:
    from monai_tbkd.label.stand_ins import stand_in_for_pydicom_seg

    stand_in_for_pydicom_seg()
    from monai_tbkd.label.guard import Guard
    from monai_tbkd.label.routes import make_api
    from monai_tbkd.label.server_conf import ServerConf

    app = StoreOnly(images, tmp_path / "sessions")
    api = make_api(lambda: app, ServerConf())  # type: ignore[arg-type,return-value]
    yield Client(Guard(api, ServerConf()))
    assert not list(uploads.iterdir())  # whatever was asked, nothing of it is left


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What tasks are started with, in place of starting them."""
    from monailabel.utils.async_tasks.task import AsyncTask

    found: list[tuple[str, dict[str, Any]]] = []

    def run(kind: str, request: Any = None, **more: Any) -> tuple[Any, Any]:
        found.append((kind, request))
        return {"id": "1"}, None

    monkeypatch.setattr(AsyncTask, "run", staticmethod(run))
    return found


def save(
    ask: Client, content: bytes = LABEL, name: str = "drawn.json", query: str = "image=a.png", **params: Any
) -> Any:
    data = {"params": json.dumps(params)} if params else None
    return ask("PUT", f"/datastore/label?{query}", files={"label": (name, content)}, data=data)


def test_the_page_lists_every_route(ask: Client) -> None:
    page = (REPOSITORY / "docs" / "annotation.md").read_text(encoding="utf-8")
    paths = ask("GET", "/openapi.json").json()["paths"]
    assert len(paths) > 15
    for path in paths:
        assert path.split("{")[0].rstrip("/") in page, path


def test_no_route_takes_an_unknown_key_of_the_query(ask: Client) -> None:
    for path, methods in ask("GET", "/openapi.json").json()["paths"].items():
        for method in methods if path != "/ohif/{path}" else ():  # the viewer's own keys
            answer = ask(method.upper(), f"{re.sub('{.*}', 'x', path)}?made_up=1")
            assert answer.status_code == 422 and "made_up" in answer.json()["detail"], (method, path)


def test_tasks_get_what_the_models_made(ask: Client, started: list[tuple[str, dict[str, Any]]]) -> None:
    ask("POST", "/train/tb_student", json={"finetune_epochs": "3", "seed": "", "client_id": "me"})
    ask("POST", "/train/", json={"tb_student": {"box_weight": 1}, "client_id": "me"})
    ask("POST", "/scoring/miou", json={})
    ask("POST", "/batch/infer/tb_boxes?images=unlabeled", json={"label_tag": "x", "device": ["cpu", "cuda"]})
    ask("POST", "/batch/infer/tb_boxes")
    assert started == [
        ("train", {"model": "tb_student", "finetune_epochs": 3}),
        ("train", {"model": "tb_student", "box_weight": 1.0}),
        ("scoring", {"method": "miou"}),
        ("batch_infer", {"model": "tb_boxes", "images": "unlabeled", "label_tag": "x", "device": "cpu"}),
        ("batch_infer", {"model": "tb_boxes", "images": "all"}),
    ]


@pytest.mark.parametrize("key", ["bundle_path", "model", "local_rank", "dataset_dir", "PYTHONPATH", "_image_id"])
@pytest.mark.parametrize("path", ["/train/tb_student", "/train/", "/scoring/miou", "/batch/infer/tb_boxes"])
def test_no_other_key_reaches_a_task(
    ask: Client, started: list[tuple[str, dict[str, Any]]], path: str, key: str
) -> None:
    for body in ({key: "/tmp/x"}, {"tb_student": {key: "/tmp/x"}}):
        answer = ask("POST", path, json=body)
        assert answer.status_code == 422 and isinstance(answer.json()["detail"], str)
    assert ask("POST", f"{path}?{key}=x", json={}).status_code == 422
    assert not started


def test_a_long_list_is_refused_before_a_process_is_started(
    ask: Client, started: list[tuple[str, dict[str, Any]]]
) -> None:
    answer = ask("POST", "/batch/infer/tb_boxes", json={"images": [f"{n:0100d}.png" for n in range(2000)]})
    assert answer.status_code == 413 and not started


def test_a_save_says_what_was_understood(ask: Client) -> None:
    answer = save(ask, query="image=a.png&tag=draft")
    assert answer.json() == {
        "image": "a.png", "label": "a.png", "tag": "draft", "understood": {"class_name": "tb", "boxes": [BOX]},
    }  # fmt: skip
    answer = save(ask, b'{"boxes": []}', image_label="health")
    assert answer.json()["understood"] == {"class_name": "health", "boxes": []}
    assert ask("GET", "/datastore/").json() == {"total": 2, "completed": 1, "label_tags": {"draft": 1, "final": 1}}


@pytest.mark.parametrize("tag", ["", "draft"])
def test_an_error_names_the_file_that_was_sent(ask: Client, images: Path, tag: str) -> None:
    for name, content in (("my.json", b"{"), ("my.xml", b"<a"), ("my.png", b"x"), ("my.nrrd", b"x"), ("my.txt", b"")):
        answer = save(ask, content, name, f"image=a.png&tag={tag}")
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"].startswith(f"{name}: ")
        assert "upload" not in answer.text and str(images) not in answer.text
    answer = save(ask, b'{"boxes": []}', "empty.json", f"image=a.png&tag={tag}")
    assert answer.status_code == 422 and "image_label" in answer.json()["detail"]
    answer = save(ask, LABEL, "both.json", f"image=a.png&tag={tag}", image_label="health")
    assert answer.status_code == 422 and "remove one" in answer.json()["detail"]
    assert ask("GET", "/datastore/").json()["completed"] == 0
    image = ask("PUT", "/datastore/image?image=n", files={"file": ("x/my.py", b"import os")})
    assert image.status_code == 422 and image.json()["detail"].startswith("my.py: ")


def test_an_image_that_cannot_be_read_is_named_without_its_path(ask: Client, images: Path) -> None:
    (images / "a.png").write_bytes((images / "a.png").read_bytes()[:60])
    answer = save(ask)
    assert answer.status_code == 422 and str(images) not in answer.text and "CORRUPT" in answer.text


def test_a_model_that_cannot_read_an_image_tells_no_path(
    ask: Client, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monai_tbkd.data.readers.itk_header import read_header

    monkeypatch.setattr(StoreOnly, "infer", lambda app, request: read_header(images / "a.png", "nrrd"), raising=False)
    found = ask("POST", "/infer/tb_boxes?image=a.png")
    assert found.status_code == 422 and "CORRUPT" in found.json()["detail"]
    assert str(images) not in found.text


@pytest.mark.parametrize(
    "name",
    ["a\nb.json", "a\x00.json", "\udcff.json", "x" * 5000 + ".json", "../../a.json", "C:\\a.json", ".json", "é.JSON"],
)
def test_odd_names_of_uploads(ask: Client, name: str) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="label"; filename="' + name.encode("utf-8", "surrogateescape")
    body = head.replace(b"\n.", b"\n") + b'"\r\n\r\n' + LABEL + b"\r\n--b--\r\n"
    answer = ask(
        "PUT", "/datastore/label?image=a.png", content=body, headers={"content-type": "multipart/form-data; boundary=b"}
    )
    assert answer.status_code in (200, 400, 422), answer.text
    assert answer.headers["content-type"] == "application/json"


def test_notes_of_requests_and_of_the_app(ask: Client, images: Path) -> None:
    save(ask, note={"seen": True}, client_id="me", label_info=[{"name": "TB", "idx": 1}])
    for method, path, field in (
        ("PUT", "/datastore/image/info?image=b.png", "info"),
        ("PUT", "/datastore/label/info?label=a.png&tag=final", "info"),
        ("PUT", "/datastore/updatelabelinfo?label=a.png&tag=final", "params"),
    ):
        for key in ("strategy", "id", "path", "image_label", "understood", "finding", "tbkd_signals", "name", "new"):
            answer = ask(method, path, data={field: json.dumps({key: "x"})})
            assert answer.status_code == 422 and key in answer.json()["detail"]
        good = {"segmentationMeta": {"status": "approved"}, "note": "seen"}
        assert ask(method, path, data={field: json.dumps(good)}).status_code == 200
    info = ask("GET", "/datastore/label/info?label=a.png&tag=final").json()
    assert info["note"] == "seen" and info["understood"]["class_name"] == "tb"
    assert ask("PUT", "/datastore/label/info?label=b.png&tag=final", data={"info": "{}"}).status_code == 404
    assert ask("PUT", "/datastore/image/info?image=no", data={"info": "{}"}).status_code == 404


@pytest.mark.parametrize(
    "note",
    ["[]", "{", '{"strategy": 1}', '{"strategy": {"random": 5}}', '{"strategy": {"random": {"ts": "x"}}}',
     '{"strategy": {"random": {"ts": NaN}}}', '{"id": "x", "path": "/etc", "weight": 3}', "[" * 100_000],
)  # fmt: skip
def test_notes_that_cannot_be_read_stop_no_strategy(ask: Client, images: Path, note: str) -> None:
    folder = images / "tbkd_labels" / "image_info"
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        (folder / f"{name}.json").write_text(note)
    sample = ask("POST", "/activelearning/random", json={"client_id": "me"}).json()
    assert sample["id"] in ("a.png", "b.png") and sample["weight"] == 1.0
    offered = json.loads((folder / f"{sample['id']}.json").read_text())["strategy"]["random"]
    assert offered["client_id"] == "me"
    assert ask("POST", "/activelearning/random", json={}).json()["id"] != sample["id"]  # that one is at work


def test_an_archive_goes_with_its_answer(ask: Client, uploads: Path) -> None:
    save(ask)
    answer = ask("GET", "/datastore/dataset?limit_cases=1")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert sorted(names) == ["image/a.png/a.png", "label/a.png.json"]
    assert not list(uploads.iterdir())
    assert ask("GET", "/datastore/dataset?limit_cases=-1").status_code == 422


def test_an_archive_of_old_files_and_one_that_fails(
    ask: Client, images: Path, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(ask)
    os.utime(images / "a.png", (1, 1))  # ZIP knows no time before 1980
    assert len(zipfile.ZipFile(io.BytesIO(ask("GET", "/datastore/dataset").content)).namelist()) == 2

    def moved(*_: Any) -> None:
        raise FileNotFoundError("moved meanwhile")

    monkeypatch.setattr(zipfile.ZipFile, "write", moved)
    assert ask("GET", "/datastore/dataset").status_code == 500
    assert not list(uploads.iterdir())


def test_half_a_surrogate_pair_is_no_note(ask: Client) -> None:
    """It cannot be sent: with it nobody could list the store any more."""
    half = json.dumps({"note": "\ud800"})
    answers = [
        ask("PUT", "/datastore/image/info?image=a.png", data={"info": half}),
        save(ask, note="\ud800"),
        save(ask, b'{"boxes": [{"label": "\\ud800", "bbox": [1, 1, 9, 9]}]}'),
        ask("POST", "/activelearning/random", content=half, headers={"Content-Type": "application/json"}),
    ]
    assert [answer.status_code for answer in answers] == [422] * 4
    assert ask("GET", "/datastore/?output=all").status_code == 200


def test_links_do_not_lead_out_of_the_folder(ask: Client, images: Path, tmp_path: Path) -> None:
    Image.fromarray(np.eye(20, dtype=np.uint8)).save(tmp_path / "secret.png")
    (images / "link.png").symlink_to(tmp_path / "secret.png")
    (images / "up").symlink_to(tmp_path)
    (images / "same.png").symlink_to(images / "a.png")
    listed = ask("GET", "/datastore/?output=all").json()["objects"]
    assert set(listed) == {"a.png", "b.png", "same.png"}
    assert ask("GET", "/datastore/image?image=link.png").status_code == 404
    save(ask)
    label = images / "tbkd_labels" / "labels" / "final" / "a.png.json"
    label.unlink()
    label.symlink_to(tmp_path / "secret.png")
    assert ask("GET", "/datastore/label?label=a.png&tag=final").status_code == 404


def test_names_of_images_in_bytes_that_are_no_text(ask: Client, images: Path) -> None:
    content = (images / "a.png").read_bytes()
    for name in (b"caf\xe9.png", b"two\nlines.png"):
        (Path(images) / name.decode("utf-8", "surrogateescape")).write_bytes(content)
    listed = list(ask("GET", "/datastore/?output=all").json()["objects"])
    assert len(listed) == 4
    for identifier in listed:
        assert ask("GET", f"/datastore/image?image={identifier}").content == content
        assert save(ask, query=f"image={identifier}").status_code == 200
    assert len(zipfile.ZipFile(io.BytesIO(ask("GET", "/datastore/dataset").content)).namelist()) == 8
    assert ask("GET", "/datastore/?output=train").status_code == 200


def test_a_series_of_a_session_is_dicom(ask: Client, images: Path) -> None:
    content = (images / "a.png").read_bytes()
    two = [("files", ("a.png", content)), ("files", ("b.png", content))]
    assert ask("PUT", "/session/", files=two).status_code == 422
    session = ask("PUT", "/session/", files={"files": ("a.weird", content)}, data={"client_id": "me"}).json()
    assert session["session_info"]["image"] == "image0001.png"
    assert ask("PUT", "/session/", files={"files": ("a.png", content)}, data={"uncompress": "true"}).status_code == 422
    assert ask("GET", "/session/no-such").status_code == 404


def test_every_refusal_is_a_sentence(ask: Client, started: list[tuple[str, dict[str, Any]]]) -> None:
    """Whatever is sent to whichever route, with keys and values at random: one form of answer, and no 500."""
    rng = random.Random(7)
    words = ["", "a\nb", "\0", "x" * 300, "a.png", "final", "../x", "tb_boxes", "json", "true", "-1", "1e999"]
    words += ["{", "[]", "NaN"]
    keys = ["image", "tag", "label", "id", "params", "info", "file", "files", "output", "session_id", "images", "seed"]
    tasks = ["/batch/infer/tb_boxes", "/train/tb_student", "/train/", "/scoring/miou", "/activelearning/random"]
    ends = ("", "image", "label", "image/info", "label/info", "updatelabelinfo", "dataset")
    others = ["/infer/tb_boxes", "/infer/{}", "/session/", "/session/{}", "/ohif/{}", "/proxy/dicom/{}", "/{}"]
    paths = [*tasks, *(f"/datastore/{end}" for end in ends), *others, "/info/", "/logs/"]
    statuses: dict[int, int] = {}
    for _ in range(600):
        path = rng.choice(paths).format(re.sub(r"[\n\0{\[]", "", rng.choice(words)))
        fields = {rng.choice(keys): rng.choice(words) for _ in range(rng.randrange(3))}
        upload = {"files": {rng.choice(keys): (rng.choice(words), b"{}")}, "data": fields}
        body: dict[str, Any] = rng.choice([{}, {"json": fields}, {"data": fields}, upload])
        query = {rng.choice(keys): rng.choice(words) for _ in range(rng.randrange(3))}
        method = rng.choice(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"])
        if path.startswith("/infer") and query.get("image") == "a.png":
            continue  # there is no model here
        answer = ask(method, path, params=query, **body)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (method, path, query, body, answer.text)
        if answer.status_code >= 400 and method != "HEAD":
            assert isinstance(answer.json()["detail"], str), answer.text
    assert statuses[422] > 50 and statuses[200] > 5


def test_an_image_with_a_header_that_no_image_needs_is_not_read(ask: Client) -> None:
    """ITK would end the process at the first, and open another file at the second."""
    head = b"NRRD0004\ntype: uint8\nencoding: raw\ndimension: "
    for content in (
        head + b"16\nsizes: 30 40" + b" 1" * 14 + b"\n\n" + bytes(1200),
        head + b"2\nsizes: 30 40\n# c\rdata file: /etc/passwd\n\n",
        b"ObjectType = Image\nNDims = 2\nDimSize = 30 40\nElementType = MET_UCHAR\nElementDataFile = /etc/passwd\n",
    ):
        for method, path, field in (
            ("POST", "/infer/tb_boxes", "file"),
            ("PUT", "/session/", "files"),
            ("PUT", "/datastore/image?image=n", "file"),
        ):
            answer = ask(method, path, files={field: ("a.nrrd", content)})
            assert answer.status_code == 422 and answer.json()["detail"].startswith("a.nrrd: "), answer.text
