"""A pass through a real archive whose answers are spoilt on the way: each fault costs one row, and nothing is lost."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

from monai_tbkd.__main__ import main
from monai_tbkd.commands import pacs
from tests.conftest import REPOSITORY
from tests.pacs.archive_images import chest, command, images_of, results_by_image, rows, uid
from tests.pacs.fault_proxy import Fault, FaultProxy, Reply
from tests.pacs.orthanc_server import SC, SEG, SR, OrthancServer, why_absent
from tests.processes import Program

DICOM_JSON = {"Content-Type": "application/dicom+json"}


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    if why_absent():
        pytest.skip(why_absent())
    server = OrthancServer(tmp_path_factory.mktemp("orthanc") / "o").start()
    yield server
    server.kill()


@pytest.fixture
def proxy(orthanc: OrthancServer) -> Iterator[FaultProxy]:
    """In front of an empty archive."""
    for each in orthanc.instances():
        orthanc.delete(each["ID"])
    front = FaultProxy(orthanc.root)
    yield front
    front.close()


@pytest.fixture
def models(trained: Path) -> Path:
    return trained / "models"


Stored = Callable[..., dict[str, Path]]


@pytest.fixture
def stored(proxy: FaultProxy, orthanc: OrthancServer, phantoms: Path, tmp_path: Path) -> Stored:
    """Puts images of some names into the archive; each is a study of its own."""

    def store(*names: str, **elements: Any) -> dict[str, Path]:
        images = {
            name: chest(tmp_path / "images" / f"{name}.dcm", phantoms, n, **elements) for n, name in enumerate(names)
        }
        orthanc.upload(*images.values())
        return images

    return store


def run(proxy: FaultProxy, orthanc: OrthancServer, models: Path, output: Path, *more: str) -> int:
    line = command(orthanc, models, output, *more)
    line[line.index("--url") + 1] = proxy.url
    line[line.index("--patience") + 1] = "1"
    return main(line)


def answer(status: int, content: Any = b"", **headers: str) -> Fault:
    """The same answer each time, whatever the archive says."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    kind = {"Content-Type": "text/html"} if isinstance(content, bytes) else DICOM_JSON
    return lambda path, ask: Reply(status, body, {**kind, **{key.replace("_", "-"): v for key, v in headers.items()}})


def changed(change: Callable[[Any], Any]) -> Fault:
    """The archive's JSON, changed."""

    def fault(path: str, ask: Callable[[], Reply]) -> Reply:
        said = ask()
        return said._replace(body=json.dumps(change(json.loads(said.body))).encode())

    return fault


def first(number: int, fault: Fault) -> Fault:
    """A fault of the first answers, and then none."""
    left = [None] * number
    return lambda path, ask: fault(path, ask) if left and not left.pop() else ask()


def after(number: int, fault: Fault) -> Fault:
    """No fault of the first answers, and then one."""
    left = [None] * number
    return lambda path, ask: ask() if left and not left.pop() else fault(path, ask)


def in_pages(size: int) -> Fault:
    """At most so many results at once."""

    def fault(path: str, ask: Callable[[], Reply]) -> Reply:
        said = ask()
        return said._replace(body=json.dumps(json.loads(said.body)[:size]).encode())

    return fault


def truncated(path: str, ask: Callable[[], Reply]) -> Reply:
    said = ask()
    return said._replace(body=said.body[: len(said.body) // 2])


def broken_off(path: str, ask: Callable[[], Reply]) -> Reply:
    said = ask()
    return said._replace(body=said.body[: len(said.body) // 2], length=len(said.body))


def stored_in_silence(path: str, ask: Callable[[], Reply]) -> Reply:
    ask()
    return Reply(200, b"{}", DICOM_JSON)


STORE, SERIES = ("POST", ""), ("GET", r"/series\?")
INSTANCES, IMAGE = ("GET", r"/instances\?(?!SOP)"), ("GET", r"/instances/[\d.]+$")
NO_UID = {"0020000E": {"vr": "UI"}, "00080060": {"vr": "CS", "Value": ["CR"]}}
# answers that each mean "not stored" or "no DICOM JSON": test_archive.py
FAULTS: dict[str, tuple[tuple[str, str], Fault, str]] = {
    "store: an object": (STORE, answer(200, {}), "NOT_STORED"),
    "store: 302": (STORE, answer(302, Location="/dicom-web/studies?limit=1"), "NOT_STORED"),
    "store: 403": (STORE, answer(403), "NOT_STORED"),
    "store: 500": (STORE, answer(500), "NOT_STORED"),
    "store: 503 for good": (STORE, answer(503), "NOT_STORED"),
    "store: in silence": (STORE, stored_in_silence, ""),
    "store: 429 once": (STORE, first(1, answer(429, Retry_After="0")), ""),
    "series: 401": (SERIES, answer(401), "study"),
    "series: 202": (SERIES, answer(202, []), "study"),
    "series: empty": (SERIES, answer(200), "study"),
    "series: none": (SERIES, answer(200, []), ""),
    "series: 500": (SERIES, answer(500), "study"),
    "series: 403": (SERIES, answer(403), "study"),
    "series: a page": (SERIES, answer(200, b"<html>"), "study"),
    "series: no UID": (SERIES, answer(200, [NO_UID]), "study"),
    "series: elsewhere": (SERIES, answer(302, Location="https://127.0.0.2:9/"), "study"),
    "series: 503 twice": (SERIES, first(2, answer(503, Retry_After="0")), ""),
    "series: no modality": (SERIES, changed(lambda found: [{**each, "00080060": {"vr": "CS"}} for each in found]), ""),
    "series: twice": (SERIES, changed(lambda found: found * 2), ""),
    "instances: 500": (INSTANCES, answer(500), "study"),
    "instances: none": (INSTANCES, answer(200, []), ""),
    "instances: twice": (INSTANCES, changed(lambda found: found * 2), ""),
    "instances: no size": (INSTANCES, changed(lambda found: [{"00080018": each["00080018"]} for each in found]), ""),
    "image: 404": (IMAGE, answer(404), "NOT_FETCHED"),
    "image: 206": (IMAGE, lambda path, ask: ask()._replace(status=206), "NOT_FETCHED"),
    "image: 500": (IMAGE, answer(500), "NOT_FETCHED"),
    "image: a page": (IMAGE, answer(200, b"<html>"), "NOT_FETCHED"),
    "image: truncated": (IMAGE, truncated, "NOT_FETCHED"),
    "image: broken off": (IMAGE, broken_off, "NOT_FETCHED"),
}


def test_each_fault_is_one_row_and_the_next_pass_mends_it(
    proxy: FaultProxy, orthanc: OrthancServer, models: Path, stored: Stored, tmp_path: Path
) -> None:
    names = {f"f{number}": fault for number, fault in enumerate(FAULTS)}
    images = stored(*names, "one", "two", "other", "refuses")
    for name, fault in names.items():
        (method, path), make, _ = FAULTS[fault]
        proxy.faults.append((method, uid("study", name).replace(".", r"\.") + ".*" + path, make))
    # another image than the one that was asked for, and an archive that does not know "transfer-syntax=*"
    swapped = Reply(200, images["one"].read_bytes(), {"Content-Type": "application/dicom"})
    proxy.faults += [("GET", uid("image", "other") + "$", lambda path, ask: swapped)]
    proxy.faults += [("GET", uid("image", "refuses") + "$", first(1, answer(406)))]
    # the studies come two at once, and the very first request comes too early
    proxy.faults += [("GET", r"/studies\?limit=1$", first(1, answer(429, Retry_After="0")))]
    proxy.faults += [("GET", r"/studies\?", in_pages(2))]

    assert run(proxy, orthanc, models, tmp_path / "out", "--results", "sr") == 3

    expected = dict.fromkeys((uid("image", name) for name in images), "")
    for name, fault in names.items():
        reason = FAULTS[fault][2]
        if reason == "study":
            del expected[uid("image", name)]
            expected[uid("study", name)] = "NOT_FETCHED"
        else:
            expected[uid("image", name)] = reason
    expected[uid("image", "other")] = "NOT_FETCHED"
    found = rows(tmp_path / "out")
    assert {name: row["reason"] for name, row in found.items()} == expected
    for name, row in found.items():
        assert (row["status"], row["path"].split("/")[-1]) == ("failed" if row["reason"] else "done", name)
    done = {name for name, reason in expected.items() if not reason}
    assert results_by_image(orthanc) == dict.fromkeys(done, 1)

    proxy.faults.clear()
    assert run(proxy, orthanc, models, tmp_path / "out", "--results", "sr") == 0
    assert results_by_image(orthanc) == {uid("image", name): 1 for name in images}
    assert len(rows(tmp_path / "out")) == len(images)


def test_a_study_that_is_deleted_meanwhile_stays_deleted(
    proxy: FaultProxy, orthanc: OrthancServer, models: Path, stored: Stored, tmp_path: Path
) -> None:
    stored("gone", "stays")

    def delete(path: str, ask: Callable[[], Reply]) -> Reply:
        said = ask()
        for each in orthanc.instances():
            if each["SOPInstanceUID"] == uid("image", "gone"):
                orthanc.delete(each["ID"])
        return said

    proxy.faults.append(("GET", uid("image", "gone") + "$", delete))
    assert run(proxy, orthanc, models, tmp_path / "out", "--results", "sr") == 3
    assert {each["StudyInstanceUID"] for each in orthanc.instances()} == {uid("study", "stays")}
    row = rows(tmp_path / "out")[uid("image", "gone")]
    assert row["reason"] == "NOT_STORED" and "no longer in the archive" in row["detail"]
    assert run(proxy, orthanc, models, tmp_path / "out", "--results", "sr") == 0


def test_a_damaged_image_is_fetched_once(
    proxy: FaultProxy, orthanc: OrthancServer, models: Path, phantoms: Path, tmp_path: Path
) -> None:
    cut = pydicom.dcmread(chest(tmp_path / "cut.dcm", phantoms))
    cut.PixelData = cut.PixelData[:1000]
    cut.save_as(tmp_path / "cut.dcm")
    orthanc.upload(tmp_path / "cut.dcm")
    seen = []
    for more in ((), (), ("--report_refused",), ("--report_refused",), ("--again",)):
        proxy.requests.clear()
        status = run(proxy, orthanc, models, tmp_path / "out", *more)
        seen.append((status, sum(line.endswith(uid("image", "cut")) for line in proxy.requests)))
    assert seen == [(3, 1), (3, 0), (3, 1), (0, 0), (3, 1)]  # with a report that says so it is settled


def test_images_that_are_refused_get_a_report_where_that_is_wanted(
    proxy: FaultProxy, orthanc: OrthancServer, models: Path, stored: Stored, tmp_path: Path
) -> None:
    stored("hand", BodyPartExamined="HAND")
    stored("good")
    assert run(proxy, orthanc, models, tmp_path / "out") == 0
    assert results_by_image(orthanc) == {uid("image", "good"): 1}
    # later, and from another machine, once
    for output in ("out", "out", "elsewhere"):
        assert run(proxy, orthanc, models, tmp_path / output, "--report_refused") == 0
    assert results_by_image(orthanc) == {uid("image", "good"): 1, uid("image", "hand"): 1}
    assert rows(tmp_path / "out")[uid("image", "hand")]["status"] == "refused"
    (ident,) = (each["ID"] for each in orthanc.instances(SR) if uid("image", "hand") in images_of(each))
    said = orthanc.file(ident)
    assert b"NOT_CHEST" in said and b"This says nothing about tuberculosis" in said
    assert not [word for word in (b"Certainty", b"SCOORD", b"TB suggestive") if word in said]
    # an image that is looked at again and then scored has both; the score is what counts
    assert run(proxy, orthanc, models, tmp_path / "taken", "--again", "--set", "any_body_part=true") == 0
    assert results_by_image(orthanc) == {uid("image", "good"): 1, uid("image", "hand"): 2}
    assert results_by_image(orthanc, SC) == {uid("image", "good"): 1, uid("image", "hand"): 1}


def test_kinds_that_are_asked_for_later_are_made(
    proxy: FaultProxy,
    orthanc: OrthancServer,
    models: Path,
    stored: Stored,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    wanted = {uid("image", name): 1 for name in stored("a", "b", study="one")}
    assert run(proxy, orthanc, models, tmp_path / "out", "--results", "sr") == 0
    assert (results_by_image(orthanc), results_by_image(orthanc, SC)) == (wanted, {})
    assert run(proxy, orthanc, models, tmp_path / "out", "--results", "sr", "sc", "gsps") == 0
    assert (results_by_image(orthanc), results_by_image(orthanc, SC)) == (wanted, wanted)
    # no boxes, so that there is no segmentation of them to wait for
    no_boxes = ["--set", "score_threshold=1.0", "map_threshold=1.0", "threshold_mode=absolute"]
    for each in orthanc.instances():
        if each["SOPInstanceUID"] not in wanted:
            orthanc.delete(each["ID"])
    for tried in (2, 0):
        caplog.clear()
        assert run(proxy, orthanc, models, tmp_path / "none", "--results", "sr", "seg_boxes", *no_boxes) == 0
        assert f" {tried} tried" in caplog.text
    assert results_by_image(orthanc) == wanted
    assert not orthanc.instances(SEG)


def test_one_image_in_work_and_one_ahead_whatever_a_recipe_says(
    proxy: FaultProxy, orthanc: OrthancServer, models: Path, stored: Stored, tmp_path: Path
) -> None:
    stored(*"abcdefgh")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("batch_size: 8\nnum_workers: 2\n")
    lying = []

    def look(path: str, ask: Callable[[], Reply]) -> Reply:
        lying.append(len(list((tmp_path / "out" / "image_in_work").glob("*"))))
        return ask()

    proxy.faults.append(("POST", "", look))
    assert run(proxy, orthanc, models, tmp_path / "out", "--results", "sr", "--config", str(recipe)) == 0
    assert len(lying) == 8 and max(lying) <= 2


def test_watching_goes_on_where_the_archive_has_a_fault_for_a_while(
    proxy: FaultProxy,
    orthanc: OrthancServer,
    models: Path,
    stored: Stored,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored("one")
    refuse = [answer(500), answer(404), answer(200, b"<html>")]

    def between_passes(seconds: float) -> None:
        if not refuse:
            raise KeyboardInterrupt
        proxy.faults[:] = [("GET", "limit", refuse.pop())]

    monkeypatch.setattr(pacs, "wait", between_passes)
    assert run(proxy, orthanc, models, tmp_path / "out", "--results", "sr", "--watch", "1") == pacs.STOPPED
    assert not refuse
    assert run(proxy, orthanc, models, tmp_path / "out", "--watch", "1") == 2  # from the start on


@pytest.mark.parametrize(
    ("number", "method"), [(signal.SIGTERM, "POST"), (signal.SIGINT, "GET"), (signal.SIGHUP, "POST")]
)
def test_a_signal_leaves_no_image_behind(
    proxy: FaultProxy,
    orthanc: OrthancServer,
    models: Path,
    stored: Stored,
    tmp_path: Path,
    number: signal.Signals,
    method: str,
) -> None:
    """Also while the archive sends nothing, in whichever thread, and where a second signal follows."""
    stored(*"abc")
    scratch, reached, slow = tmp_path / "out" / "image_in_work", threading.Event(), threading.Event()

    def hang(path: str, ask: Callable[[], Reply]) -> Reply:
        reached.set()
        slow.wait(60)
        return broken_off(path, ask)

    # the second image hangs on its way, or the first result
    proxy.faults += [("POST", "", hang)] if method == "POST" else [("GET", r"/instances/[\d.]+$", after(1, hang))]
    line = ["-m", "monai_tbkd", *command(orthanc, models, tmp_path / "out")]
    line[line.index("--url") + 1] = proxy.url
    program = Program(line, tmp_path, os.environ | {"PYTHONPATH": str(REPOSITORY)})
    assert reached.wait(120)
    assert list(scratch.glob("*"))
    os.kill(program.pid, number)
    time.sleep(0.01)
    os.kill(program.pid, number)
    assert program.wait(30).status in (pacs.STOPPED, -number)  # the second may come when all is done
    assert not scratch.exists()
    slow.set()


def test_an_archive_that_cuts_searches_short(
    start_orthanc: Callable[..., OrthancServer],
    models: Path,
    phantoms: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Orthanc with LimitFindResults has no further page."""
    caplog.set_level(logging.INFO)
    server = start_orthanc(LimitFindResults=2, LimitFindInstances=2)
    images = [
        chest(tmp_path / f"{kind}{n}.dcm", phantoms, n, **elements)
        for n in range(5)
        for kind, elements in {
            "date": {"StudyDate": f"202601{n + 1:02d}"},
            "same": {"StudyDate": "20260110"},
            "in": {"StudyDate": "20260111", "study": "many"},
            "series": {"StudyDate": "20260112", "study": "series", "SeriesInstanceUID": f"1.2.3.{n}"},
        }.items()
    ]
    server.upload(*images)

    def look(*more: str) -> int:
        return main(command(server, models, tmp_path / "out", "--results", "sr", *more))

    assert look("--query", "BodyPartExamined=CHEST", "PatientID=secret*") == 0
    assert results_by_image(server) == {uid("image", path.stem): 1 for path in images}
    assert "cuts searches short" in caplog.text
    caplog.clear()
    # Orthanc 1.10 does not decode percent signs
    assert look("--dry_run", "--query", "PatientID=secret-s?ries") == 0
    assert " 5 images: 5 had results" in caplog.text
    assert look("--dry_run", "--query", "PatientName=Nobody^At all") == 0
    assert "no CR or DX studies of this query" in caplog.text and "put ? for each character" in caplog.text
