"""An image says the same whichever way it comes, and labels reach the PACS as reports."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pydicom
import pytest

from monai_tbkd.__main__ import main
from monai_tbkd.label.app_folder import read_app_folder
from monai_tbkd.label.image_pipeline import ImagePipeline
from tests.dicom.ohif_reports import ohif_report
from tests.label_server.bright_images import iou
from tests.label_server.conftest import KnownImage, dicom, store
from tests.label_server.servers import LabelServer

requests = pytest.importorskip("requests", reason="monailabel is not installed here: make test-label runs these")


def test_the_same_image_has_the_same_score_and_boxes(pacs_server: LabelServer, images: dict[str, KnownImage]) -> None:
    from_folder = ImagePipeline(read_app_folder(pacs_server.app))
    for name in "efgh":  # DX and CR, MONOCHROME1 and 2
        image = images[name]
        answer = pacs_server.request("POST", f"/infer/tb_boxes?image={image.series}&output=json").json()
        expected = from_folder(image.path).as_json()
        for key in ("image_score", "boxes", "decision", "pixel_steps", "sop_instance_uid"):
            assert answer.get(key) == expected.get(key), (name, key)


def test_a_new_image_is_listed_and_other_modalities_are_not(
    pacs_server: LabelServer, pacs: str, tmp_path: Path
) -> None:
    before = set(pacs_server.request("GET", "/datastore/?output=all").json()["objects"])
    new, other = dicom(tmp_path / "n.dcm", 21, True, "DX"), dicom(tmp_path / "o.dcm", 22, True, "MG")
    for image in (new, other):
        store(pacs, image.path)
    after = set(pacs_server.request("GET", "/datastore/?output=all").json()["objects"])
    assert after - before == {new.series}


def test_a_series_of_two_views_is_its_frontal_image(pacs_server: LabelServer, pacs: str, tmp_path: Path) -> None:
    frontal, lateral = dicom(tmp_path / "p.dcm", 23, True, "DX"), dicom(tmp_path / "l.dcm", 24, False, "DX")
    view = pydicom.dcmread(lateral.path)
    view.ViewPosition, view.PatientOrientation = "LL", ["A", "F"]
    first = pydicom.dcmread(frontal.path)
    view.SeriesInstanceUID, view.StudyInstanceUID, view.PatientID = (
        first.SeriesInstanceUID, first.StudyInstanceUID, first.PatientID,
    )  # fmt: skip
    view.save_as(lateral.path)
    for image in (frontal, lateral):
        store(pacs, image.path)
    answer = pacs_server.request("POST", f"/infer/tb_boxes?image={frontal.series}&output=json").json()
    assert answer["status"] == "done"
    assert answer["sop_instance_uid"] == str(first.SOPInstanceUID)
    assert (answer["images_in_series"], answer["left_out"]) == (2, ["NOT_FRONTAL"])


def test_a_finished_label_reaches_the_pacs_as_a_report(
    pacs_server: LabelServer, pacs: str, images: dict[str, KnownImage], tmp_path: Path
) -> None:
    image = images["f"]
    label = {"boxes": [{"bbox": image.image.box}]}
    saved = pacs_server.request(
        "PUT", f"/datastore/label?image={image.series}", files={"label": ("l.json", json.dumps(label))}
    )
    assert saved.status_code == 200, saved.text
    info = pacs_server.request("GET", f"/datastore/label/info?label={image.series}&tag=final").json()
    assert info["report"] == "sent"
    (instance,) = requests.post(
        f"{pacs}/tools/find",
        json={"Level": "Instance", "Query": {"SOPInstanceUID": info["report_sop_instance_uid"]}},
        timeout=30,
    ).json()
    (tmp_path / "report.dcm").write_bytes(requests.get(f"{pacs}/instances/{instance}/file", timeout=30).content)
    report, source = pydicom.dcmread(tmp_path / "report.dcm"), pydicom.dcmread(image.path)
    assert report.Modality == "SR"
    assert report.StudyInstanceUID == source.StudyInstanceUID
    assert report.PatientID == source.PatientID
    text = str(report)
    assert "drawn by an annotator" in text
    xmin, ymin, xmax, ymax = image.image.box or []
    assert f"[{xmin}, {ymin}, {xmax}, {ymin}, {xmax}, {ymax}, {xmin}, {ymax}, {xmin}, {ymin}]" in text
    listed = pacs_server.request("GET", "/datastore/?output=all").json()["objects"]
    assert str(report.SeriesInstanceUID) not in listed  # a report is no image


def test_a_report_of_ohif_is_saved_as_a_label(
    pacs_server: LabelServer, images: dict[str, KnownImage], tmp_path: Path
) -> None:
    from monailabel.client import MONAILabelClient

    image = images["k"]
    box = tuple(image.image.box or [])
    report = ohif_report(tmp_path / "report.dcm", image.path, [box])
    MONAILabelClient(pacs_server.url, str(tmp_path)).save_label(image.series, str(report))
    info = pacs_server.request("GET", f"/datastore/label/info?label={image.series}&tag=final").json()
    assert info["understood"] == {"class_name": "tb", "boxes": [list(box)]}
    assert info["report"] == "sent"  # as every label, in the form of this program's reports
    kept = pacs_server.request("GET", f"/datastore/label?label={image.series}&tag=final").content
    assert kept == report.read_bytes()
    other = pacs_server.request(
        "PUT", f"/datastore/label?image={images['g'].series}", files={"label": ("r.dcm", report.read_bytes())}
    )
    assert other.status_code == 422
    assert "of another image" in other.json()["detail"]
    pacs_server.request("DELETE", f"/datastore/label?id={image.series}&tag=final").raise_for_status()


def test_reports_in_the_pacs_are_labels_of_the_server(
    pacs_server: LabelServer, pacs: str, images: dict[str, KnownImage], tmp_path: Path
) -> None:
    image = images["k"]
    box = tuple(image.image.box or [])
    store(
        pacs, ohif_report(tmp_path / "r.dcm", image.path, [box], words=["ActiveTuberculosis"], ContentDate="20990101")
    )
    (mark,) = pacs_server.app.glob("pacs/*/pacs.json")
    assert main(["take_reports", str(mark.parent), "--url", f"{pacs}/dicom-web"]) == 0
    assert pacs_server.info()["datastore"]["label_tags"]["final"] >= 1
    info = pacs_server.request("GET", f"/datastore/label/info?label={image.series}&tag=final").json()
    assert info["understood"]["class_name"] == "tb"
    (read,) = info["understood"]["boxes"]
    assert iou(read, list(box)) == pytest.approx(1)
    pacs_server.request("DELETE", f"/datastore/label?id={image.series}&tag=final").raise_for_status()


def test_nothing_of_a_patient_is_kept_beside_the_images(pacs_server: LabelServer) -> None:
    pacs_server.request("POST", "/activelearning/random", json={})
    kept = [path for path in (pacs_server.app / "pacs").rglob("*") if path.is_file() and path.suffix != ".dcm"]
    assert kept
    for path in [*kept, pacs_server.log, *pacs_server.app.glob("logs/*")]:
        content = path.read_bytes()
        assert b"Secret" not in content and b"patient-" not in content, path


def test_others_are_answered_while_the_server_behind_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastapi import Response

    from monai_tbkd.label import routes
    from monai_tbkd.label.server_conf import ServerConf

    def slow(*_: Any) -> Any:
        time.sleep(0.4)
        return Response(b"late")

    monkeypatch.setattr(routes, "_proxy", lambda: slow)
    api = routes.make_api(lambda: None, ServerConf(pacs=True))  # type: ignore[arg-type, return-value]
    done: list[str] = []

    async def ask(path: str) -> None:
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [], "http_version": "1.1", "scheme": "http", "root_path": "",
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                done.append(f"{path} {message['status']}")

        await api(scope, receive, send)

    async def both() -> None:
        await asyncio.gather(ask("/proxy/dicom/studies"), ask("/nowhere"))

    asyncio.run(both())
    assert done == ["/nowhere 404", "/proxy/dicom/studies 200"]
