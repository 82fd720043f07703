"""What an archive's answers mean, by archives that answer as no Orthanc does."""

from __future__ import annotations

import fnmatch
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from monai_tbkd.data import ImageError
from monai_tbkd.dicom.archive_answers import text
from monai_tbkd.pacs import (
    Archive,
    ArchiveError,
    ArchiveGoneError,
    ArchiveRefusalError,
    FoundSeries,
    ImageAddress,
    archive_session,
)
from tests.data.golden_dicom import ramp, write_image

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
Respond = Callable[[str, str, dict[str, list[str]]], Answer]
IMAGE = ImageAddress("1.2", "1.3", "1.4")


@pytest.fixture
def serve() -> Iterator[Callable[..., Archive]]:
    """An archive that answers as a function of method, path and query says: with status, JSON or bytes, and headers."""
    servers = []

    def start(answer: Respond, patience: float = 0) -> Archive:
        class Handler(BaseHTTPRequestHandler):
            def reply(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                parts = urlsplit(self.path)
                status, body, *more = answer(self.command, parts.path, parse_qs(parts.query))
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                kind = "text/html" if isinstance(body, bytes) else "application/dicom+json"
                headers = {"Content-Type": kind, "Content-Length": str(len(raw)), **(more[0] if more else {})}
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = reply

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        url = f"http://127.0.0.1:{server.server_port}/dicom-web"
        return Archive(url, archive_session(url), patience)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def study(uid: str, **elements: str) -> dict[str, Any]:
    tags = {"StudyDate": "00080020", "StudyTime": "00080030", "PatientID": "00100020"}
    more = {tags[key]: {"vr": "LO", "Value": [value]} for key, value in elements.items()}
    return {"0020000D": {"vr": "UI", "Value": [uid]}, **more}


def instance(uid: str) -> dict[str, Any]:
    return {"00080018": {"vr": "UI", "Value": [uid]}}


@pytest.mark.parametrize("cap", [1, 2, 3, 100])
def test_pages_of_studies_until_one_brings_nothing_new(serve: Any, monkeypatch: pytest.MonkeyPatch, cap: int) -> None:
    """Also where the archive gives fewer at once than it is asked for."""
    monkeypatch.setattr("monai_tbkd.pacs.archive.PAGE", 3)

    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        assert query["StudyDate"] == ["20260101-"]
        if query.get("PatientID"):
            return 200, []
        if query["ModalitiesInStudy"] == ["DX"]:
            return 200, [study("1.0"), study("9.0"), study("9.0")]  # 1.0 has both
        at = int(query.get("offset", ["0"])[0])
        return 200, [study(f"1.{n}") for n in range(7)][at : at + cap]

    found = list(serve(answer).studies(("CR", "DX"), {"StudyDate": "20260101-"}))
    assert found == [*(f"1.{n}" for n in range(7)), "9.0"]


def test_server_that_knows_no_offset_is_not_asked_for_ever(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_tbkd.pacs.archive.PAGE", 3)
    archive = serve(lambda *_: (200, [study("1.0"), study("1.1"), study("1.2"), study("../../etc"), study("")]))
    assert list(archive.studies(("CR",), {})) == ["1.0", "1.1", "1.2"]  # and what is no UID never becomes a path


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, []), "answers 404; check the URL"),
        ((200, b"<html>"), "answers, but not in DICOM JSON; check the URL"),
        ((401, []), "answers 401: it wants other credentials"),
        ((403, []), r"answers 403 \(these credentials may not; ask its administrator\)\."),
        ((503, []), "answers 503."),
    ],
)
def test_check_tells_what_to_mend(serve: Any, answer: Answer, message: str) -> None:
    archive = serve(lambda *_: answer)
    with pytest.raises(ArchiveError, match=message):
        archive.check()


def test_nobody_there(serve: Any) -> None:
    url = "http://127.0.0.1:1/dicom-web"
    with pytest.raises(ArchiveGoneError, match=r"cannot be reached \(connection refused\)"):
        Archive(url, archive_session(url)).check()
    url = "https://no-such-host.invalid/dicom-web"
    with pytest.raises(ArchiveGoneError, match="cannot be reached"):
        Archive(url, archive_session(url)).check()


def test_refused_search_does_not_repeat_what_was_searched_for(serve: Any) -> None:
    archive = serve(lambda *_: (400, []))
    with pytest.raises(ArchiveError, match="answers 400 to a search; check the URL, and the keys") as refusal:
        list(archive.studies(("CR",), {"PatientName": "Secret"}))
    assert "Secret" not in str(refusal.value) and "Secret" not in str(refusal.value.__cause__)


def test_busy_server_is_waited_for_and_then_given_up(
    serve: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([(503, []), (429, []), (200, [study("1.0")]), (200, [])])
    archive, pauses = serve(lambda *_: next(answers), patience=20), []
    monkeypatch.setattr(archive.connection._given_up, "wait", pauses.append)
    assert list(archive.studies(("CR",), {})) == ["1.0"]
    assert pauses == [0.5, 1.0]
    assert caplog.text.count("Trying again") == 2
    with pytest.raises(ArchiveGoneError, match="answers 502"):
        list(serve(lambda *_: (502, []), patience=0.05).studies(("CR",), {}))


def test_whoever_has_given_up_waits_no_more(serve: Any) -> None:
    archive = serve(lambda *_: (503, []), patience=1000)
    threading.Timer(0.1, archive.give_up).start()
    with pytest.raises(ArchiveGoneError):
        archive.series("1.2")


def test_study_that_is_gone_meanwhile_has_no_series(serve: Any) -> None:
    assert serve(lambda *_: (404, [])).series("1.2") == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, []), "NOT_FETCHED"),
        ((500, []), "the archive answers 500 when asked to send an image .NOT_FETCHED"),
        ((200, b"<html>"), "something that is no DICOM file .NOT_FETCHED"),
    ],
)
def test_image_that_does_not_come(serve: Any, tmp_path: Path, answer: Answer, message: str) -> None:
    with pytest.raises(ImageError, match=f"{IMAGE.path}: .*{message}"):
        serve(lambda *_: answer).fetch(IMAGE, tmp_path / "image")


def result() -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.StudyInstanceUID = "1.2.840.10008.5.1.4.1.1.88.33", "1.9", "1.2"
    ds.SeriesInstanceUID = "1.8"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


REFERENCED = {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.9"]}}]}}
FAILED = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [43264]}}]}}
NO_PROOF: dict[str, Answer] = {
    "nothing": (200, b""),
    "no content": (204, b""),
    "an object": (200, {}),
    "a page": (200, b"<html>Log in</html>"),
    "null": (200, None),
    "a list of numbers": (200, [1, 2]),
    "a text": (200, "stored"),
    "an empty sequence": (200, {"00081199": {"vr": "SQ", "Value": []}}),
    "a sequence without a value": (200, {"00081199": {"vr": "SQ"}}),
    "a sequence of numbers": (200, {"00081199": {"vr": "SQ", "Value": [1]}}),
    "another object": (200, {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.8"]}}]}}),
    "failed": (200, FAILED),
    "failed with 202": (202, FAILED),
    "conflict": (409, FAILED),
    "bad request": (400, []),
    "forbidden": (403, []),
    "gone": (404, []),
    "fault": (500, b"Internal Server Error"),
    "full disk": (507, []),
    "redirect elsewhere": (302, b"", {"Location": "http://127.0.0.2:9/dicom-web/studies"}),
    "redirect to a page": (302, b"", {"Location": "/login"}),
    "redirect with the request, elsewhere": (307, b"", {"Location": "http://localhost:9/dicom-web/studies"}),
    "redirect to https": (301, b"", {"Location": "https://127.0.0.1/dicom-web/studies"}),
    "redirect to nowhere": (308, b"", {"Location": "http://[1"}),
}


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("said", NO_PROOF)
def test_stored_is_what_the_archive_has(serve: Any, said: str, there: bool) -> None:
    asked: list[str] = []

    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        asked.append(f"{method} {path}")
        if method == "POST":
            assert path == "/dicom-web/studies/1.2"
            return NO_PROOF[said]
        if query.get("SOPInstanceUID") == ["1.4"]:
            return 200, [instance("1.4")]
        if path.endswith("metadata"):
            return 404, []
        return 200, [instance("1.9")] if there else []

    archive = serve(answer)
    if there:
        archive.store(result(), IMAGE)
    else:
        with pytest.raises(ImageError, match=rf"{IMAGE.path}: the archive .*NOT_STORED"):
            archive.store(result(), IMAGE)
    assert [line for line in asked if line.startswith("POST")] == ["POST /dicom-web/studies/1.2"]
    assert not [line for line in asked if "login" in line]


@pytest.mark.parametrize("answered", [200, 202])
def test_an_answer_that_names_the_object_is_proof(serve: Any, answered: int) -> None:
    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        if method == "POST":
            return answered, REFERENCED
        assert query["SOPInstanceUID"] == ["1.4"]  # only the image is asked for
        return 200, [instance("1.4")]

    serve(answer).store(result(), IMAGE)


def test_what_no_search_finds_may_have_metadata(serve: Any) -> None:
    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        if method == "POST":
            return 200, {}
        if path.endswith("/metadata"):
            return 200, [instance("1.9" if "/instances/1.9" in path else "1.4")]
        return 500, []

    serve(answer).store(result(), IMAGE)


@pytest.mark.parametrize("search", [(200, []), (404, []), (500, []), (200, [instance("1.5")])])
def test_results_of_an_image_that_is_gone_are_not_sent(serve: Any, search: Answer) -> None:
    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        assert method == "GET"
        return (404, []) if path.endswith("/metadata") else search

    with pytest.raises(ImageError, match=r"no longer in the archive.*NOT_STORED"):
        serve(answer).store(result(), IMAGE)


def test_redirects_within_the_archive_are_followed(serve: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("default login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    stored = []

    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        if not path.startswith("/moved"):
            return 307, b"", {"Location": "/moved" + path + "?" + "&".join(f"{k}={v[0]}" for k, v in query.items())}
        if method == "POST":
            stored.append(path)
            return 200, REFERENCED
        return 200, [instance("1.4")]

    archive = serve(answer)
    sent = []
    send = archive.session.send
    monkeypatch.setattr(
        archive.session, "send", lambda request, **options: (sent.append(request), send(request, **options))[1]
    )
    archive.store(result(), IMAGE)
    assert stored == ["/moved/dicom-web/studies/1.2"]
    assert len(sent) == 4 and not [each for each in sent if "Authorization" in each.headers]


def test_secrets_go_to_no_other_place(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def elsewhere(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        sent.append(path)
        return 200, [study("1.0")]

    other = serve(elsewhere)
    monkeypatch.setenv("TBKD_PACS_TOKEN", "abc")
    archive = serve(lambda *_: (302, b"", {"Location": f"{other.url}/studies"}))
    with pytest.raises(ArchiveError, match=f"answers 302 and points to {other.url.removesuffix('/dicom-web')} "):
        archive.check()
    assert not sent


SHAPES: dict[str, Any] = {
    "numbers": [1, 2],
    "null": None,
    "an error": {"error": "no"},
    "a list of errors": [{"message": "no"}],
    "a text": "no",
    "a number": 5,
    "lists": [[instance("1")]],
    "a page": b"<html>",
    "half": b'[{"0020000D": {"vr"',
    "deep": b"[" * 100_000,
    "no UTF-8": b"\xff\xfe[]",
    "no value": [{"0020000D": {"vr": "UI"}, "0020000E": {"vr": "UI"}, "00080018": {"vr": "UI"}}],
    "a value that is no list": [{tag: {"vr": "UI", "Value": 7} for tag in ("0020000D", "0020000E", "00080018")}],
    "an element that is no object": [{"0020000D": "1.2", "0020000E": "1.2", "00080018": "1.2"}],
    "values of null": [{tag: {"vr": "UI", "Value": [None]} for tag in ("0020000D", "0020000E", "00080018")}],
    "no UIDs": [{tag: {"vr": "UI", "Value": ["../x"]} for tag in ("0020000D", "0020000E", "00080018")}],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_json_of_another_shape_is_a_sentence(serve: Any, shape: str, tmp_path: Path) -> None:
    archive = serve(lambda *_: (200, SHAPES[shape]))
    with pytest.raises(ArchiveError, match=rf"{archive.url} answers.* to a search"):
        list(archive.studies(("CR",), {}))
    with pytest.raises(ArchiveRefusalError, match=r"the archive answers.* when asked to search"):
        archive.series("1.2")
    with pytest.raises(ArchiveRefusalError, match=r"the archive answers.* when asked to search"):
        archive.images("1.2", FoundSeries("1.3", "CR", "", 0))
    with pytest.raises(ImageError, match="something that is no DICOM file"):
        archive.fetch(IMAGE, tmp_path / "image")
    assert not archive.has(IMAGE)


@pytest.mark.parametrize("vr", ["IS", "DS", "AT", "SQ", "XX", "UN"])
def test_odd_metadata_is_a_refusal(serve: Any, vr: str) -> None:
    odd = {**instance("1.4"), "00280010": {"vr": vr, "Value": [{"x": "secret"}]}}
    archive = serve(lambda *_: (200, [odd]))
    try:
        archive.headers("1.2", "1.3")
    except ArchiveRefusalError as refusal:
        assert "secret" not in str(refusal)


@pytest.mark.parametrize(
    ("value", "pause"),
    [("7", 7.0), ("0", 0.5), ("soon", 0.5), ("-5", 0.5), ("999999999999", 20.0), ("9" * 400, 20.0), ("date", 9.0)],
)
def test_retry_after_is_kept_within_the_patience(
    serve: Any, monkeypatch: pytest.MonkeyPatch, value: str, pause: float
) -> None:
    if value == "date":
        value = format_datetime(datetime.now(UTC) + timedelta(seconds=10), usegmt=True)
    answers = iter([(429, [], {"Retry-After": value})])
    archive, pauses = serve(lambda *_: next(answers, (200, [])), patience=20), []
    monkeypatch.setattr(archive.connection, "resume", lambda: None)
    monkeypatch.setattr(archive.connection._given_up, "wait", pauses.append)
    archive.check()  # the very first request
    assert pauses == [pytest.approx(pause, abs=1.1 if pause == 9 else 0.1)]


def test_a_request_that_alone_gets_no_answer_is_refused(serve: Any) -> None:
    archive = serve(lambda method, path, query: (503, []) if "series" in path else (200, []), patience=0.05)
    with pytest.raises(ArchiveRefusalError):
        archive.series("1.2")
    with pytest.raises(ArchiveGoneError):
        serve(lambda *_: (503, []), patience=0.05).series("1.2")


def test_an_image_that_always_breaks_off_is_not_waited_for(serve: Any, tmp_path: Path) -> None:
    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        if "instances" in path:
            return (
                200,
                b"x" * 100,
                {"Content-Type": "application/dicom", "Content-Length": "200", "Connection": "close"},
            )
        return 200, []

    with pytest.raises(ImageError, match="NOT_FETCHED"):
        serve(answer, patience=1000).fetch(IMAGE, tmp_path / "image")
    assert not list(tmp_path.iterdir())


def test_an_archive_that_knows_no_wildcard_of_transfer_syntaxes(serve: Any, tmp_path: Path) -> None:
    image = write_image(
        tmp_path / "there.dcm", ramp(0, 255), 8, StudyInstanceUID="1.2", SeriesInstanceUID="1.3", SOPInstanceUID="1.4"
    )
    archive = serve(lambda *_: (200, image.read_bytes(), {"Content-Type": "application/dicom"}))
    asked = []
    ask = archive.connection.request

    def request(method: str, path: str, accept: str, **options: Any) -> Any:
        asked.append(accept)
        if "transfer-syntax" in accept:
            raise requests.HTTPError(response=SimpleNamespace(status_code=406, headers={}))
        return ask(method, path, accept, **options)

    archive.connection.request = request
    for _ in range(2):
        archive.fetch(IMAGE, tmp_path / "image")
        assert (tmp_path / "image").read_bytes() == image.read_bytes()
    assert ["transfer-syntax" in accept for accept in asked] == [True, False, False]


@pytest.mark.parametrize(
    ("key", "value"),
    [*((f"{level}InstanceUID", "1.2.3") for level in ("Study", "Series", "SOP")), ("StudyInstanceUID", "")],
)
def test_another_image_than_asked_for_is_not_fetched(serve: Any, tmp_path: Path, key: str, value: str) -> None:
    uids = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3", "SOPInstanceUID": "1.4", key: value}
    image = write_image(tmp_path / "there.dcm", ramp(0, 255), 8, **uids)
    archive = serve(lambda *_: (200, image.read_bytes(), {"Content-Type": "application/dicom"}))
    with pytest.raises(ImageError, match=rf"another image than it was asked for \({key}\) \(NOT_FETCHED\)"):
        archive.fetch(IMAGE, tmp_path / "image")
    assert not (tmp_path / "image").exists()


@pytest.mark.parametrize("content", [b"<html>not here</html>", b"\x89PNG\r\n\x1a\n" + bytes(100), b""])
def test_a_file_that_is_not_dicom_is_not_fetched(serve: Any, tmp_path: Path, content: bytes) -> None:
    archive = serve(lambda *_: (200, content, {"Content-Type": "application/dicom"}))
    with pytest.raises(ImageError, match="a file that is not DICOM"):
        archive.fetch(IMAGE, tmp_path / "image")
    assert not (tmp_path / "image").exists()


def test_wildcards_are_sent_as_they_are_and_the_rest_encoded(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    lines: list[str] = []
    archive = serve(lambda *_: (200, []))
    ask = archive.connection.request
    archive.connection.request = lambda method, path, *more, **options: (
        lines.append(path),
        ask(method, path, *more, **options),
    )[1]
    assert not list(archive.studies(("CR",), {"PatientID": "A*1?", "StudyDescription": "x&y=z+ä /#"}))
    assert lines == ["studies?PatientID=A*1?&StudyDescription=x%26y=z%2B%C3%A4%20/%23&ModalitiesInStudy=CR&limit=500"]
    assert "no CR studies of this query" in caplog.text and "put ? for each character" in caplog.text
    assert "A*1" not in caplog.text


def test_series_without_modality_are_told_apart_by_their_metadata(serve: Any) -> None:
    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        if path.endswith("/metadata"):
            return 200, [{**instance("1.4"), "00080060": {"vr": "CS", "Value": ["DX"]}}]
        return 200, [{"0020000E": {"vr": "UI", "Value": ["1.3"]}, "00080060": {"vr": "CS"}}]

    assert serve(answer).series("1.2") == [FoundSeries("1.3", "DX", "", 0)]


def capped(studies: list[dict[str, Any]], cap: int) -> Archive:
    """Orthanc with LimitFindResults: a search ends at so many, and there is no further page."""

    def matches(found: dict[str, Any], query: dict[str, list[str]]) -> bool:
        for key, tag in (("StudyDate", "00080020"), ("StudyTime", "00080030")):
            if key in query:
                low, _, high = query[key][0].partition("-")
                if not (low or "0") <= text(found, tag) <= (high or "9"):
                    return False
        return fnmatch.fnmatchcase(text(found, "00100020"), query.get("PatientID", ["*"])[0])

    def answer(what: str, path: str, further: bool = False) -> list[dict[str, Any]]:
        query = parse_qs(urlsplit(path).query)
        found = [each for each in studies if matches(each, query)][:cap]
        return found[int(query.get("offset", ["0"])[0]) :]

    archive = Archive("http://127.0.0.1:1", archive_session("http://127.0.0.1:1"))
    archive.connection.json = answer  # type: ignore[method-assign,assignment]
    return archive


def many(number: int, *, same_date: bool, same_time: bool) -> list[dict[str, Any]]:
    return [
        study(
            f"1.{n}",
            StudyDate="20260228" if same_date else f"2026{n % 12 + 1:02d}28",
            StudyTime="235959" if same_time else f"{n % 24:02d}5959.5",
            PatientID=f"P-{n}",
        )
        for n in range(number)
    ]


@pytest.mark.parametrize("cap", [2, 3, 10, 60])
@pytest.mark.parametrize(("same_date", "same_time"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("date", [None, "20260101-", "20260101-20261231"])
def test_studies_behind_the_end_of_a_search_are_found_in_parts(
    cap: int, same_date: bool, same_time: bool, date: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    archive = capped(many(60, same_date=same_date, same_time=same_time), cap)
    found = list(archive.studies(("CR",), {"StudyDate": date} if date else {}))
    assert sorted(found) == sorted(f"1.{n}" for n in range(60))
    assert len(set(found)) == len(found)
    assert ("cuts searches short" in caplog.text) is (cap < 60)
    assert not archive.truncated


def test_what_cannot_be_divided_further_is_told(caplog: pytest.LogCaptureFixture) -> None:
    studies = [study(f"1.{n}", StudyDate="20260228", StudyTime="235959", PatientID="P 1") for n in range(9)]
    studies += [study("2.1", StudyDate="20260101", StudyTime="235959", PatientID="P 2")]
    archive = capped(studies, 3)
    assert "2.1" in list(archive.studies(("CR",), {}))
    assert archive.truncated
    assert "Images may be missing" in caplog.text


@pytest.mark.parametrize("told", [0, 4])
def test_series_and_instances_behind_the_end_of_a_search(serve: Any, told: int) -> None:
    """The numbers that an archive tells of show that an answer was cut short; metadata is never."""
    series = [
        {"0020000E": {"vr": "UI", "Value": [f"3.{n}"]}, "00080060": {"vr": "CS", "Value": ["CR"]}} for n in range(4)
    ]
    count = {"vr": "IS", "Value": [told]} if told else {"vr": "IS"}

    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        at = int(query.get("offset", ["0"])[0])
        if path.endswith("/studies"):
            return 200, [{**study("1.2"), "00201206": count}][at:]
        if path.endswith("/metadata"):
            if path.endswith("/studies/1.2/metadata"):
                return 200, [{**each, **instance(f"4.{n}")} for n, each in enumerate(series) for _ in range(2)]
            return 200, [instance(f"4.{n}") for n in range(4)]
        if path.endswith("/series"):
            wanted = query.get("SeriesInstanceUID")
            some = [each for each in series if wanted in (None, each["0020000E"]["Value"])]
            return 200, [{**each, "00201209": count} for each in some][:2][at:]
        return 200, [instance(f"4.{n}") for n in range(4)][:2][at:]

    archive = serve(answer)
    assert list(archive.studies(("CR",), {})) == ["1.2"]
    number = told or 2
    found = archive.series("1.2")
    assert [each.uid for each in found] == [f"3.{n}" for n in range(number)]
    assert [each.uid for each in archive.series("1.2", {"BodyPartExamined": "CHEST"})] == [each.uid for each in found]
    assert len(archive.images("1.2", found[0])) == number


def test_a_number_that_cannot_be_checked_costs_no_image(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        if path.endswith("/metadata"):
            return 501, []
        return 200, [] if "offset" in query else [instance("1.4")]

    archive = serve(answer)
    assert archive.images("1.2", FoundSeries("1.3", "CR", "", 3)) == [(IMAGE, 0)]
    assert archive.truncated and "lists 1 of 3 instances" in caplog.text
