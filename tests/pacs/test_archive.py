"""What an archive's answers mean, by archives that answer as no Orthanc does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from monai_tbkd.data import FilmError
from monai_tbkd.pacs import Archive, ArchiveError, ArchiveGoneError, FilmAddress, archive_session

Answer = tuple[int, Any]
FILM = FilmAddress("1.2", "1.3", "1.4")


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str, str, dict[str, list[str]]], Answer]], Archive]]:
    """An archive that answers as a function of method, path and query says: with status, and JSON or bytes."""
    servers = []

    def start(answer: Callable[[str, str, dict[str, list[str]]], Answer], patience: float = 0) -> Archive:
        class Handler(BaseHTTPRequestHandler):
            def reply(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                parts = urlsplit(self.path)
                status, body = answer(self.command, parts.path, parse_qs(parts.query))
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html" if isinstance(body, bytes) else "application/dicom+json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = reply

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        url = f"http://127.0.0.1:{server.server_port}/dicom-web"
        return Archive(url, archive_session(url, environment={}), patience)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def study(uid: str) -> dict[str, Any]:
    return {"0020000D": {"vr": "UI", "Value": [uid]}}


def test_pages_of_studies_until_there_are_no_more(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_tbkd.pacs.archive.PAGE", 3)

    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        assert query["StudyDate"] == ["20260101-"]
        if query["ModalitiesInStudy"] == ["DX"]:
            return 200, [study("1.0"), study("9.0")]  # 1.0 has both
        at = int(query.get("offset", ["0"])[0])
        return 200, [study(f"1.{n}") for n in range(7)][at : at + 3]

    found = list(serve(answer).studies(("CR", "DX"), {"StudyDate": "20260101-"}))
    assert found == [*(f"1.{n}" for n in range(7)), "9.0"]


def test_server_that_knows_no_offset_is_not_asked_for_ever(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_tbkd.pacs.archive.PAGE", 3)
    archive = serve(lambda *_: (200, [study("1.0"), study("1.1"), study("1.2"), study("../../etc"), study("")]))
    assert list(archive.studies(("CR",), {})) == ["1.0", "1.1", "1.2"]  # and what is no UID never becomes a path


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, []), "answers 404, so there is no DICOMweb; check the URL"),
        ((200, b"<html>"), "answers, but not in DICOM JSON; check the URL"),
        ((401, []), "answers 401: it wants other credentials"),
        ((403, []), "answers 403: these credentials may not search"),
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
        Archive(url, archive_session(url, environment={})).check()
    url = "https://no-such-host.invalid/dicom-web"
    with pytest.raises(ArchiveGoneError, match="cannot be reached"):
        Archive(url, archive_session(url, environment={})).check()


def test_refused_search_does_not_repeat_what_was_searched_for(serve: Any) -> None:
    archive = serve(lambda *_: (400, []))
    with pytest.raises(ArchiveError, match="answers 400 to a search; check the keys") as refusal:
        list(archive.studies(("CR",), {"PatientName": "Secret"}))
    assert "Secret" not in str(refusal.value) and refusal.value.__cause__ is not None


def test_busy_server_is_waited_for_and_then_given_up(
    serve: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([(503, []), (429, []), (200, [study("1.0")])])
    archive, pauses = serve(lambda *_: next(answers), patience=20), []
    monkeypatch.setattr(archive._given_up, "wait", pauses.append)
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
        ((500, []), "the archive answers 500 instead of sending it .NOT_FETCHED"),
        ((200, b"<html>"), "something that is no DICOM file .NOT_FETCHED"),
    ],
)
def test_film_that_does_not_come(serve: Any, tmp_path: Path, answer: Answer, message: str) -> None:
    with pytest.raises(FilmError, match=f"{FILM.path}: .*{message}"):
        serve(lambda *_: answer).fetch(FILM, tmp_path / "film")


def result() -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.StudyInstanceUID = "1.2.840.10008.5.1.4.1.1.88.33", "1.9", "1.2"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


FAILED = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [43264]}}]}}


@pytest.mark.parametrize("refusal", [(409, FAILED), (202, FAILED)])
@pytest.mark.parametrize("there", [True, False])
def test_result_that_is_there_already_is_stored(serve: Any, refusal: Answer, there: bool) -> None:
    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        if method == "POST":
            assert path == "/dicom-web/studies/1.2"
            return refusal
        return 200, [{"00080018": {"vr": "UI", "Value": ["1.9"]}}] if there else []

    archive = serve(answer)
    if there:
        archive.store(result())
    else:
        with pytest.raises(FilmError, match=r"studies/1\.2: .*NOT_STORED"):
            archive.store(result())


def test_full_disk_of_the_archive_is_a_row(serve: Any) -> None:
    with pytest.raises(FilmError, match=r"answers 507 when it is to store a result \(NOT_STORED\)"):
        serve(lambda *_: (507, [])).store(result())
