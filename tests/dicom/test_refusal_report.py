"""A report that an image was not analysed, and the series that results are in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from monai_tbkd.data import ReasonCode
from monai_tbkd.dicom import (
    KINDS,
    BoxReportError,
    SourceFilm,
    film_results,
    is_measurement_report,
    is_own_result,
    is_refusal,
    is_result_of,
    read_box_report,
    refusal_report,
    result_series,
    structured_report,
)
from monai_tbkd.dicom.result_object import write_object
from tests.dicom.dicom_films import MODEL, TWO_BOXES, complete_film, finding
from tests.dicom.validator import errors_of


def written(tmp_path: Path, reason: ReasonCode, model: str = MODEL) -> Path:
    source = SourceFilm.read(complete_film(tmp_path / "film.dcm"))
    return write_object(refusal_report(source, reason, model), tmp_path / "sr.dcm")


@pytest.mark.parametrize("reason", ReasonCode)
def test_every_reason_is_coded_and_no_statement_about_tuberculosis(tmp_path: Path, reason: ReasonCode) -> None:
    report = pydicom.dcmread(written(tmp_path, reason))
    codes = [
        (code.get("CodeValue") or code.get("LongCodeValue"), code.CodeMeaning)
        for item in report.ContentSequence
        for code in item.get("ConceptCodeSequence") or []
    ]
    assert (reason.value, reason.meaning[:64]) in codes
    assert "not analysed" in [meaning for _, meaning in codes]
    (text,) = (item.TextValue for item in report.ContentSequence if "Not analysed" in str(item.get("TextValue")))
    assert reason.meaning in text and "nothing about tuberculosis" in text
    kinds = {item.ValueType for item in report.ContentSequence}
    assert not kinds & {"NUM", "SCOORD"}
    assert is_own_result(report) and is_result_of(report, MODEL) and is_refusal(report)
    assert not is_measurement_report(report)
    film = pydicom.dcmread(tmp_path / "film.dcm")
    assert (report.StudyInstanceUID, report.PatientID) == (film.StudyInstanceUID, film.PatientID)


def test_nobody_reads_boxes_from_it(tmp_path: Path) -> None:
    with pytest.raises(BoxReportError):
        read_box_report(written(tmp_path, ReasonCode.COLOR))


def test_the_same_refusal_has_the_same_identifiers(tmp_path: Path) -> None:
    uids = [
        pydicom.dcmread(written(tmp_path, reason, model)).SOPInstanceUID
        for reason, model in (
            (ReasonCode.COLOR, MODEL),
            (ReasonCode.COLOR, MODEL),
            (ReasonCode.NOT_CHEST, MODEL),
            (ReasonCode.COLOR, "x"),
        )
    ]
    assert uids[0] == uids[1] and len(set(uids)) == 3


@pytest.mark.system
@pytest.mark.parametrize("reason", [ReasonCode.COLOR, ReasonCode.UNSUPPORTED_SYNTAX])
def test_a_validator_has_nothing_to_say(tmp_path: Path, reason: ReasonCode) -> None:
    assert errors_of(written(tmp_path, reason)) == set()


def test_a_report_of_a_finding_is_no_refusal(tmp_path: Path) -> None:
    source = SourceFilm.read(complete_film(tmp_path / "film.dcm"))
    assert not is_refusal(structured_report(source, finding()))


def test_series_of_results_are_known_without_the_image(tmp_path: Path) -> None:
    source = SourceFilm.read(complete_film(tmp_path / "film.dcm"))
    found = replace(finding(*TWO_BOXES), identity=MODEL, tb_map=np.zeros((4, 4), dtype=np.float32))
    results = film_results(source, found, KINDS)
    expected = result_series(str(source.header.StudyInstanceUID), source.uid, MODEL)
    assert {kind: str(result.SeriesInstanceUID) for kind, result in results.items()} == expected
    assert len(set(expected.values())) == len(KINDS)
