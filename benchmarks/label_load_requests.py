"""The requests of ``label_load.py``: those that a server has to answer, and those that it has to refuse."""

from __future__ import annotations

import io
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from PIL import Image, ImageDraw, PngImagePlugin
from requests_toolbelt import MultipartDecoder

from monai_tbkd.label.label_folder import LabelFolder

TAGS = ("final", "draft")
MODELS = ("tb_boxes", "tb_map", "tb_score")
OPTIONS: tuple[dict[str, float], ...] = ({}, {"map_threshold": 0.3, "score_threshold": 0.0})
PADDING = 40_000  # bytes, so that a label that is half on the disk would be seen


@dataclass(frozen=True)
class ReadImage:
    """An image of the folder: identifier, file content, true boxes, side in pixels."""

    id: str
    content: bytes
    boxes: list[list[float]]
    size: int


@dataclass(frozen=True)
class Asked:
    """A request that was answered, or not."""

    kind: str
    good: bool
    right: bool
    seconds: float


@dataclass(eq=False)
class Sent:
    """A label on its way: content None takes it away. Times are of the request's beginning and of its answer."""

    image: str
    tag: str
    content: bytes | None
    nonce: str
    begun: float
    ended: float = float("inf")


class Journal:
    """What labels were sent, to tell which may be there at a moment, whatever order the server took them in."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    @property
    def written(self) -> list[Sent]:
        """Labels whose writing was acknowledged."""
        return [each for each in self.sent if each.content is not None and each.ended < float("inf")]

    def begin(self, image: str, tag: str, content: bytes | None, nonce: str) -> Sent:
        each = Sent(image, tag, content, nonce, time.monotonic())
        self.sent.append(each)
        return each

    def possible(self, image: str, tag: str, begun: float, ended: float) -> list[Sent | None]:
        """Labels that a reading between two moments may find; None where there may be none.

        A label may be found if it was begun before the reading ended, unless another followed it, from beginning to
        end, before the reading began.
        """
        own = [each for each in self.sent if (each.image, each.tag) == (image, tag) and each.begun < ended]
        found: list[Sent | None] = [
            each for each in own if not any(o.begun > each.ended and o.ended < begun for o in own)
        ]
        if not any(each.ended < begun for each in own):
            found.append(None)
        return [None if each is None or each.content is None else each for each in found]


class Quiet:
    """Answers given while nothing else was asked, by state of the model."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str, int, str], dict[str, Any]] = {}
        self.masks: dict[tuple[str, int, str], bytes] = {}

    def ask(self, url: str, images: Sequence[ReadImage]) -> None:
        """Ask for everything that the load will ask for."""
        for image, (number, options) in itertools.product(images, enumerate(OPTIONS)):
            for model in MODELS:
                form = {"params": json.dumps({**options, "result_extension": ".png"} if model == "tb_map" else options)}
                answer = requests.post(f"{url}/infer/{model}?image={image.id}", data=form, timeout=120)
                answer.raise_for_status()
                said, file = parts_of(answer)
                self.answers[image.id, model, number, said["model_version"]] = said
                if model == "tb_map":
                    self.masks[image.id, number, said["model_version"]] = file


def parts_of(answer: requests.Response) -> tuple[dict[str, Any], bytes]:
    """The JSON of an answer and the file beside it, empty where there is none."""
    kind = answer.headers["content-type"]
    if not kind.startswith("multipart"):
        return answer.json(), b""
    parts = MultipartDecoder(answer.content, kind).parts
    return json.loads(parts[0].content), parts[1].content


class Wrong(Exception):  # noqa: N818  # the server's, not of this program
    """An answer that is not right."""


class Client:
    """Sends requests of a kind and judges the answers; used by many threads at once.

    Args:
        url: of the server.
        images: of its folder.
        quiet: answers to compare with, of the model as it is served at the beginning.
        seed: of what is drawn.
    """

    def __init__(self, url: str, images: Sequence[ReadImage], quiet: Quiet, seed: int) -> None:
        self.url, self.images, self.quiet = url, list(images), quiet
        self.journal, self.done, self.faults = Journal(), list[Asked](), list[str]()
        self.looked: list[tuple[str, str, int, dict[str, Any], bytes]] = []
        self.notes: dict[str, set[str]] = {}
        self.compared = self.kept = self.bad_labels = self.bad_notes = 0
        self._numbers, self._seed, self._lock = itertools.count(), seed, threading.Lock()

    # ------------------------------------------------------------ sending
    def send(self, kind: str) -> None:
        """One request, or a few that belong together."""
        with self._lock:
            number = next(self._numbers)
        draw = random.Random(self._seed * 1_000_003 + number)
        good = kind not in BAD
        start, fault = time.monotonic(), ""
        try:
            if kind in BAD:
                self._send_bad(kind)
            else:
                (GOOD.get(kind) or TASKS[kind]).send(self, draw, f"n{number}")
        except Wrong as error:
            fault = f"{kind}: {error}"
        except requests.RequestException as error:
            fault = f"{kind}: no answer ({type(error).__name__}: {error})"
        asked = Asked(kind, good, not fault, time.monotonic() - start)
        with self._lock:
            self.done.append(asked)
            if fault:
                self.faults.append(fault)

    def ask(self, method: str, path: str, expected: int | tuple[int, ...] = 200, **more: Any) -> requests.Response:
        answer = requests.request(method, f"{self.url}{path}", timeout=300, **more)
        if answer.status_code not in (expected if isinstance(expected, tuple) else (expected,)):
            raise Wrong(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer

    def _send_bad(self, kind: str) -> None:
        method, path, status, more = BAD[kind]
        answer = self.ask(method, path.format(image=self.images[0].id), status, **more)
        if method != "HEAD" and not answer.json().get("detail"):
            raise Wrong(f"{kind}: {status} without a sentence")

    def image(self, draw: random.Random) -> ReadImage:
        return draw.choice(self.images)

    # ------------------------------------------------------------ judging
    def look(self, image: ReadImage, model: str, option: int, query: str, **more: Any) -> None:
        """One inference, kept for `compare`."""
        options = {**OPTIONS[option], **({"result_extension": ".png"} if model == "tb_map" else {})}
        answer = self.ask("POST", f"/infer/{model}?{query}", data={"params": json.dumps(options)}, **more)
        said, file = parts_of(answer)
        if said.get("status") != "done":
            raise Wrong(f"{model} {image.id}: {said}")
        self.looked.append((image.id, model, option, said, file))

    def compare(self) -> list[str]:
        """Hold every answer of the load against that given in quiet by the same state of the model."""
        faults = []
        for image, model, option, said, file in self.looked:
            version = said["model_version"]
            quiet = self.quiet.answers.get((image, model, option, version))
            if quiet is None:
                faults.append(f"{model} {image}: no quiet answer of the model {version}")
            elif said != quiet:
                faults.append(f"{model} {image}: {said} but in quiet {quiet}")
            elif model == "tb_map" and file and file != self.quiet.masks[image, option, version]:
                faults.append(f"{model} {image}: another mask than in quiet")
            self.compared += quiet is not None
        return faults

    def versions(self) -> Counter[str]:
        """How many answers each state of the model gave."""
        return Counter(said["model_version"] for *_, said, _ in self.looked)

    def lost(self, labels: LabelFolder, url: str = "") -> list[str]:
        """Labels and notes that are not as they were sent last: on the disk, or as a server tells."""
        now, faults = time.monotonic(), []
        self.kept = self.bad_labels = 0
        for image, tag in sorted({(each.image, each.tag) for each in self.journal.sent}):
            possible = self.journal.possible(image, tag, now, now)
            path = labels.path(image, tag)
            if url:
                answer = requests.get(f"{url}/datastore/label?label={image}&tag={tag}", timeout=60)
                content = answer.content if answer.ok else None
                info = requests.get(f"{url}/datastore/label/info?label={image}&tag={tag}", timeout=60).json()
            else:
                content, info = path.read_bytes() if path else None, labels.info(image, tag)
            match = next((p for p in possible if (None if p is None else p.content) == content), self)
            self.kept += content is not None
            nonce = None if match is None or match is self else match.nonce  # type: ignore[union-attr]
            if match is self or info.get("note") != nonce:
                self.bad_labels += 1
                faults.append(f"label of {image}, {tag}: {len(content or b'')} bytes, note {info.get('note')}")
        gone = [image for image, sent in self.notes.items() if labels.image_info(image).get("note") not in sent]
        self.bad_notes = len(gone)
        return faults + [f"the note of {image} is lost" for image in gone]


@dataclass(frozen=True)
class Kind:
    """How often, and how."""

    weight: int
    send: Callable[[Client, random.Random, str], None]


def _by_id(model: str) -> Callable[[Client, random.Random, str], None]:
    def send(client: Client, draw: random.Random, name: str) -> None:
        image = client.image(draw)
        client.look(
            image, model, draw.randrange(2), f"image={image.id}" + ("&output=json" if model != "tb_map" else "")
        )

    return send


def _upload(client: Client, draw: random.Random, name: str) -> None:
    image = client.image(draw)
    client.look(image, "tb_score", 0, "image=&output=json", files={"file": (f"{name}.png", image.content)})


def _session(client: Client, draw: random.Random, name: str) -> None:
    image = client.image(draw)
    answer = client.ask("PUT", "/session/", files={"files": (f"{name}.png", image.content)}).json()
    client.look(image, "tb_boxes", 0, f"session_id={answer['session_id']}&output=json")
    client.ask("DELETE", f"/session/{answer['session_id']}")


def _save_label(client: Client, draw: random.Random, name: str) -> None:
    image, tag = draw.choice(client.images[: len(client.images) // 2]), draw.choice(TAGS)
    suffix, content = draw.choice((_boxes_label, _mask_label))(image, draw, name)
    sent = client.journal.begin(image.id, tag, content, name)
    params = json.dumps({"note": name, "image_label": bool(image.boxes)})
    client.ask(
        "PUT",
        f"/datastore/label?image={image.id}&tag={tag}",
        files={"label": (f"l{suffix}", content)},
        data={"params": params},
    )
    sent.ended = time.monotonic()


def _boxes_label(image: ReadImage, draw: random.Random, name: str) -> tuple[str, bytes]:
    boxes = [{"label": "tuberculosis", "bbox": box} for box in image.boxes]
    return ".json", json.dumps({"boxes": boxes, "by": name, "padding": name * (PADDING // len(name))}).encode()


def _mask_label(image: ReadImage, draw: random.Random, name: str) -> tuple[str, bytes]:
    mask = Image.new("L", (image.size, image.size))
    for xmin, ymin, xmax, ymax in image.boxes:
        ImageDraw.Draw(mask).rectangle((int(xmin), int(ymin), int(xmax) - 1, int(ymax) - 1), fill=255)
    about, file = PngImagePlugin.PngInfo(), io.BytesIO()
    about.add_text("by", name * (PADDING // len(name)))
    mask.save(file, "png", pnginfo=about)
    return ".png", file.getvalue()


def _remove_label(client: Client, draw: random.Random, name: str) -> None:
    image = draw.choice(client.images[: len(client.images) // 2])
    sent = client.journal.begin(image.id, "draft", None, name)
    client.ask("DELETE", f"/datastore/label?id={image.id}&tag=draft")
    sent.ended = time.monotonic()


def _read_label(client: Client, draw: random.Random, name: str) -> None:
    image, tag, begun = draw.choice(client.images[: len(client.images) // 2]), draw.choice(TAGS), time.monotonic()
    answer = client.ask("GET", f"/datastore/label?label={image.id}&tag={tag}", (200, 404))
    possible = client.journal.possible(image.id, tag, begun, time.monotonic())
    content = answer.content if answer.ok else None
    if content not in [None if each is None else each.content for each in possible]:
        raise Wrong(f"{image.id}, {tag}: {len(answer.content)} bytes, which are no label that could be there")


def _note(client: Client, draw: random.Random, name: str) -> None:
    image = client.image(draw)
    client.notes.setdefault(image.id, set()).add(name)
    client.ask("PUT", f"/datastore/image/info?image={image.id}", data={"info": json.dumps({"note": name})})


def _next_image(client: Client, draw: random.Random, name: str) -> None:
    strategy = draw.choice(("random", "uncertain_score"))
    begun = time.monotonic()
    said = client.ask("POST", f"/activelearning/{strategy}", json={"client_id": name}).json()
    finished = {each.image for each in client.journal.sent if each.tag == "final" and each.ended < begun}
    if said.get("id") not in {image.id for image in client.images} - finished:
        raise Wrong(f"{strategy}: {said.get('id')}, which is no image without a label")


def _read_image(client: Client, draw: random.Random, name: str) -> None:
    image = client.image(draw)
    if client.ask("GET", f"/datastore/image?image={image.id}").content != image.content:
        raise Wrong(f"{image.id}: other bytes than the image's")


def _list(client: Client, draw: random.Random, name: str) -> None:
    begun = time.monotonic()
    listed = {each["id"] for each in client.ask("GET", "/datastore/?output=train").json()}
    missing = {s.image for s in client.journal.sent if s.tag == "final" and s.ended < begun} - listed
    if missing:
        raise Wrong(f"{sorted(missing)} are not listed although their labels were acknowledged")
    client.ask("GET", "/info/")


GOOD = {
    "boxes by id": Kind(20, _by_id("tb_boxes")),
    "map by id": Kind(8, _by_id("tb_map")),
    "score by id": Kind(8, _by_id("tb_score")),
    "upload": Kind(6, _upload),
    "session": Kind(4, _session),
    "save label": Kind(18, _save_label),
    "read label": Kind(12, _read_label),
    "remove label": Kind(3, _remove_label),
    "note": Kind(10, _note),
    "next image": Kind(6, _next_image),
    "read image": Kind(3, _read_image),
    "list": Kind(2, _list),
}


def _task(path: str, body: dict[str, Any]) -> Kind:
    def send(client: Client, draw: random.Random, name: str) -> None:
        client.ask("POST", path, json=body)

    return Kind(1, send)


_TRAINING = {"finetune_epochs": 2, "largest_drop": 1.0, "most_unlabeled": 10, "fewest_boxed": 3}
TASKS = {
    "training": _task("/train/tb_student", _TRAINING),
    "another training": _task("/train/tb_student?enqueue=true", {**_TRAINING, "seed": 1}),
    "batch": _task("/batch/infer/tb_boxes", {"label_tag": "batch", "save_label": True}),
    "signals": _task("/scoring/signals", {}),
}
MOMENTS = ((0.12, "training"), (0.14, "batch"), (0.16, "signals"), (0.5, "another training"))
"""When in the load a task is begun, as a fraction of the requests."""


# ------------------------------------------------------------ requests to refuse, each with its status
def _form(params: str, **files: tuple[str, bytes]) -> dict[str, Any]:
    return {"data": {"params": params}, **({"files": files} if files else {})}


def _json(text: str) -> dict[str, Any]:
    return {"data": text, "headers": {"Content-Type": "application/json"}}


def _label(name: str, content: bytes) -> dict[str, Any]:
    return {"files": {"label": (name, content)}}


def _info(text: str) -> dict[str, Any]:
    return {"data": {"info": text}}


class _LargeBody:
    """5 MiB that are sent without a length."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="label"; filename="l.json"\r\n\r\n'
        for _ in range(80):
            yield b"x" * 65536
        yield b"\r\n--b--\r\n"


_OFF_IMAGE = json.dumps({"boxes": [{"label": "tuberculosis", "bbox": [9000, 9000, 9100, 9100]}]}).encode()
_SMALL_MASK = io.BytesIO()
Image.new("L", (10, 12)).save(_SMALL_MASK, "png")
_INFER, _LABEL = "/infer/tb_boxes?image={image}", "/datastore/label?image={image}"
BAD: dict[str, tuple[str, str, int, dict[str, Any]]] = {
    "image that is not there": ("POST", "/infer/tb_boxes?image=no_such.png", 404, {}),
    "image that is a path": ("POST", "/infer/tb_boxes?image=../../etc/passwd", 422, {}),
    "path in params": ("POST", _INFER, 422, _form('{"image": "/etc/passwd"}')),
    "path of no characters": ("POST", _INFER, 422, _form('{"image": "a\\u0000b"}')),
    "no image": ("POST", "/infer/tb_boxes", 422, {}),
    "session that is not there": ("POST", "/infer/tb_boxes?session_id=no-such", 404, {}),
    "model that is not there": ("POST", "/infer/no_such?image={image}", 404, {}),
    "broken params": ("POST", _INFER, 422, _form("{")),
    "params that are a list": ("POST", _INFER, 422, _form("[1]")),
    "params nested without end": ("POST", _INFER, 422, _form('{"a": ' + "[" * 20_000)),
    "threshold out of range": ("POST", _INFER, 422, _form('{"map_threshold": 7}')),
    "output that is none": ("POST", _INFER + "&output=xml", 422, {}),
    "DICOM SEG": ("POST", _INFER + "&output=dicom_seg", 422, {}),
    "large body": ("PUT", _LABEL, 413, _label("l.json", b"x" * (5 * 2**20))),
    "large body without a length": (
        "PUT",
        _LABEL,
        413,
        {"data": _LargeBody(), "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
    ),
    "label that is no JSON": ("PUT", _LABEL, 422, _label("l.json", b'{"boxes": [')),
    "label off the image": ("PUT", _LABEL, 422, _label("l.json", _OFF_IMAGE)),
    "label that is a program": ("PUT", _LABEL, 422, _label("l.py", b"import os")),
    "label with entities": ("PUT", _LABEL, 422, _label("l.xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")),
    "label that is no picture": ("PUT", _LABEL, 422, _label("l.png", b"\x89PNG\r\n\x1a\n" + b"x" * 100)),
    "mask of another size": ("PUT", _LABEL, 422, _label("l.png", _SMALL_MASK.getvalue())),
    "label of no image": ("PUT", "/datastore/label?image=no_such.png", 404, _label("l.json", b'{"boxes": []}')),
    "tag that is a path": ("PUT", _LABEL + "&tag=../../x", 422, _label("l.json", b'{"boxes": []}')),
    "label params with NaN": ("PUT", _LABEL, 422, _form('{"a": NaN}', label=("l.json", b'{"boxes": []}'))),
    "no label": ("PUT", _LABEL, 422, _form("{}")),
    "label that is not there": ("GET", "/datastore/label?label={image}&tag=no_such", 404, {}),
    "image uploaded that is none": ("PUT", "/datastore/image?image=new", 422, {"files": {"file": ("x.png", b"x")}}),
    "image removed": ("DELETE", "/datastore/image?id={image}", 405, {}),
    "note on no image": ("PUT", "/datastore/image/info?image=no_such.png", 404, _info("{}")),
    "note that is no JSON": ("PUT", "/datastore/image/info?image={image}", 422, _info("{")),
    "strategy that is not there": ("POST", "/activelearning/no_such", 404, _json("{}")),
    "broken body": ("POST", "/activelearning/random", 422, _json("{")),
    "training that is not there": ("POST", "/train/no_such", 404, _json("{}")),
    "training with impossible options": ("POST", "/train/tb_student", 422, _json('{"finetune_epochs": "$1"}')),
    "training that all would wait for": ("POST", "/train/tb_student?run_sync=true", 422, _json("{}")),
    "batch of no model": ("POST", "/batch/infer/no_such", 404, _json("{}")),
    "weights replaced": ("PUT", "/model/tb_boxes", 404, {}),
    "logs read": ("GET", "/logs/", 404, {}),
    "another web page": ("GET", "/info/", 403, {"headers": {"Origin": "https://evil.example"}}),
    "another host": ("GET", "/info/", 403, {"headers": {"Host": "evil.example"}}),
    "code in a task's process": ("POST", "/train/tb_student", 422, _json('{"bundle_path": "/tmp"}')),
    "note of the app": ("PUT", "/datastore/image/info?image={image}", 422, _info('{"strategy": 1}')),
    "label that says nothing": ("PUT", _LABEL, 422, _label("l.json", b'{"boxes": []}')),
    "another site": ("GET", "/info/", 403, {"headers": {"Sec-Fetch-Site": "cross-site"}}),
    "nothing there": ("GET", "/no/such/path", 404, {}),
    "method that is none": ("PATCH", "/info/", 405, {}),
}
