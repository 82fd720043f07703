"""Reports that stand beside images in a real archive become labels, and a model's never do."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from monai_tbkd.__main__ import main
from monai_tbkd.data.lists.tbx11k import read_json_annotations
from monai_tbkd.dicom import write_structured_report
from monai_tbkd.label.label_folder import LABELS_FOLDER, LabelFolder
from monai_tbkd.pacs import AnnotatorReports, Archive, StudyQuery, archive_session, reported_images
from tests.dicom.dicom_images import MODEL, finding
from tests.dicom.ohif_reports import ohif_report
from tests.pacs.archive_images import DX, chest, uid
from tests.pacs.orthanc_server import OrthancServer

BOX, OTHER = (3.0, 4.5, 20.0, 30.25), (1.0, 1.0, 9.0, 9.0)


def take(server: OrthancServer, store: Path, *more: str) -> int:
    return main(["take_reports", str(store), "--url", server.url, "--patience", "5", *more])


def exported(store: Path, out: Path) -> dict[str, list[list[float]]]:
    assert main(["export_labels", str(store), "--output", str(out)]) == 0
    return {Path(name).parts[0]: each.boxes for name, each in read_json_annotations(out / "labels.json").items()}


def series_of(image: Path) -> str:
    return str(pydicom.dcmread(image, stop_before_pixels=True).SeriesInstanceUID)


def test_people_are_taken_and_programs_are_not(
    orthanc: OrthancServer, phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [chest(tmp_path / f"{name}.dcm", phantoms, number, **DX) for number, name in enumerate("abcd")]
    own = [
        write_structured_report(tmp_path / f"sr{image.name}", image, finding((2, 3, 30, 40, 0.9))) for image in images
    ]
    corrected, last, alone, drawn = images
    sent = [
        # in the series of the model's report, as OHIF puts it
        ohif_report(tmp_path / "r1.dcm", corrected, [BOX], own[0], ContentDate="20260201"),
        ohif_report(tmp_path / "r2.dcm", last, [BOX], own[1], ContentDate="20260202"),
        ohif_report(tmp_path / "r3.dcm", last, [OTHER], own[1], ContentDate="20260203"),
        # in a series of its own: one says what it is, the other may be anything
        ohif_report(tmp_path / "r4.dcm", drawn, [BOX], words=["ActiveTuberculosis"]),
        ohif_report(tmp_path / "r5.dcm", drawn, [OTHER], ContentDate="20990101"),
    ]
    orthanc.upload(*images, *(tmp_path / f"sr{image.name}" for image in images), *sent)
    store = tmp_path / "store"
    assert take(orthanc, store) == 0
    said = capsys.readouterr().out
    assert "3 labels taken" in said
    assert "1 reports that are no labels, 0 left out" in said
    assert exported(store, tmp_path / "out") == {
        series_of(corrected): [list(BOX)], series_of(last): [list(OTHER)], series_of(drawn): [list(BOX)],
    }  # fmt: skip
    assert series_of(alone) not in LabelFolder(store / LABELS_FOLDER).images()
    assert store.stat().st_mode & 0o077 == 0

    newer = ohif_report(tmp_path / "r6.dcm", corrected, [OTHER], own[0], ContentDate="20260301")
    orthanc.upload(newer)
    assert take(orthanc, store) == 0
    assert "1 labels taken, 2 there already" in capsys.readouterr().out
    assert exported(store, tmp_path / "out")[series_of(corrected)] == [list(OTHER)]

    assert take(orthanc, store, "--without_words") == 0
    assert exported(store, tmp_path / "out")[series_of(drawn)] == [list(OTHER)]


def test_an_annotators_report_is_no_result_of_the_model(orthanc: OrthancServer, phantoms: Path, tmp_path: Path) -> None:
    image = chest(tmp_path / "a.dcm", phantoms)
    own = write_structured_report(tmp_path / "sr.dcm", image, finding())
    orthanc.upload(image, tmp_path / "sr.dcm", ohif_report(tmp_path / "r.dcm", image, [BOX], own))
    archive = Archive(orthanc.url, archive_session(orthanc.url), 5)
    headers = archive.headers(str(own.StudyInstanceUID), str(own.SeriesInstanceUID))
    assert len(headers) == 2  # one series
    annotators = [header for header in headers if header.SOPInstanceUID != own.SOPInstanceUID]
    assert not reported_images(annotators, MODEL)
    assert reported_images(headers, MODEL).keys() == {uid("image", "a")}


def test_a_query_chooses_studies(orthanc: OrthancServer, phantoms: Path, tmp_path: Path) -> None:
    images = [
        chest(tmp_path / f"{name}.dcm", phantoms, StudyDate=date) for name, date in (("a", "20260101"), ("b", ""))
    ]
    reports = [ohif_report(tmp_path / f"r{image.name}", image, [BOX], words=["tb"]) for image in images]
    for image, report in zip(images, reports, strict=True):
        header = pydicom.dcmread(report)
        header.StudyDate = pydicom.dcmread(image).StudyDate
        header.save_as(report)
    orthanc.upload(*images, *reports)
    archive = Archive(orthanc.url, archive_session(orthanc.url), 5)
    for query, number in (([], 2), (["StudyDate=20260101"], 1)):
        search = AnnotatorReports(archive, StudyQuery.parse(query))
        assert sum(len(found) for found in search.studies()) == number
        assert search.counts["studies"] == number
