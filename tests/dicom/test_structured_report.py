"""Structured reports, re-read by highdicom and pydicom."""

from __future__ import annotations

import logging
from pathlib import Path

import highdicom as hd
import pydicom
import pytest

from monai_tbkd.data import ReasonCode
from monai_tbkd.data.files.own_results import is_own_result
from monai_tbkd.dicom import (
    BoxFinding,
    BoxReportError,
    DicomResultError,
    ImageFinding,
    SourceImage,
    is_measurement_report,
    is_refusal,
    is_result_of,
    read_box_report,
    refusal_report,
    structured_report,
    write_structured_report,
)
from monai_tbkd.dicom.result_object import write_object
from tests.data.golden_dicom import ramp, write_image
from tests.data.images_by_hand import noise_png
from tests.dicom.dicom_images import COMPLETE, MODEL, TWO_BOXES, complete_image, finding
from tests.dicom.validator import errors_of

BOX = "Cornerstone3DTools@^0.1.0:RectangleROI"


def groups_of(path: Path) -> list[hd.sr.MeasurementsAndQualitativeEvaluations]:
    return list(hd.sr.srread(str(path)).content.get_image_measurement_groups())


def test_a_group_for_the_image_and_one_for_each_box(tmp_path: Path) -> None:
    image = complete_image(tmp_path / "image.dcm")
    written = write_structured_report(tmp_path / "out" / "sr.dcm", image, finding(*TWO_BOXES))
    assert written.SOPClassUID == pydicom.uid.ComprehensiveSRStorage
    whole, *boxes = groups_of(tmp_path / "out" / "sr.dcm")
    assert whole.tracking_identifier == "whole image"
    assert [(m.name.value, m.value, m.unit.value) for m in whole.get_measurements()] == [
        ("111013", 91.23, "%"), ("TBKD001", 50.0, "%"),
    ]  # fmt: skip
    assert [(e.name.value, e.value.value) for e in whole.get_qualitative_evaluations()] == [
        ("111017", "111242"), ("TBKD002", "TBKD003"),
    ]  # fmt: skip
    assert [group.tracking_identifier for group in boxes] == [f"{BOX}:box 1", f"{BOX}:box 2"]
    for group, (xmin, ymin, xmax, ymax, score) in zip(boxes, TWO_BOXES, strict=True):
        (number,) = group.get_measurements()
        assert (number.name.value, number.value, number.unit.value) == ("111012", pytest.approx(100 * score), "%")
        (region,) = number.referenced_coordinates
        assert region.graphic_type == hd.sr.GraphicTypeValues.POLYLINE
        corners = [[xmin, ymin], [xmax, ymin], [xmax, ymax], [xmin, ymax], [xmin, ymin]]
        assert region.value.tolist() == corners
        assert group.finding_type.value == "56717001"
    uids = {str(group.tracking_uid) for group in (whole, *boxes)}
    assert len(uids) == 3


def test_the_text_says_what_was_decided_and_what_it_is_not_for(tmp_path: Path) -> None:
    image = complete_image(tmp_path / "image.dcm")
    report = structured_report(SourceImage.read(image), finding(*TWO_BOXES, warnings="AGE_UNKNOWN"))
    text = " ".join(str(element.value) for element in report.iterall() if element.VM)
    assert "TB score 91.2 of 100, threshold 50.0: TB suggestive. Warnings: AGE_UNKNOWN. Research use only" in text
    assert text.lower().count("research use only, not for diagnosis") >= 5
    assert "score threshold 50.00 of 100 (config)" in text
    assert MODEL in text


@pytest.mark.parametrize(
    ("found", "numbers", "words"),
    [
        (ImageFinding(0.2, 0.5, "not TB suggestive"), 2, ["111241", "TBKD004"]),
        (ImageFinding(0.7), 1, []),  # an image of another kind than the threshold: a score alone
        (ImageFinding(0.5, 0.5, "TB suggestive"), 2, ["111242", "TBKD003"]),  # the threshold itself counts
    ],
)
def test_images_without_boxes(tmp_path: Path, found: ImageFinding, numbers: int, words: list[str]) -> None:
    write_structured_report(tmp_path / "sr.dcm", complete_image(tmp_path / "image.dcm"), found)
    (group,) = groups_of(tmp_path / "sr.dcm")
    assert len(group.get_measurements()) == numbers
    assert [evaluation.value.value for evaluation in group.get_qualitative_evaluations()] == words


def test_patient_and_study_are_those_of_the_image_and_the_image_is_as_it_was(tmp_path: Path) -> None:
    image = complete_image(
        tmp_path / "image.dcm", PatientName="Yamada^Tarou=山田^太郎", SpecificCharacterSet="ISO_IR 192"
    )
    before = image.read_bytes()
    write_structured_report(tmp_path / "sr.dcm", image, finding(*TWO_BOXES))
    assert image.read_bytes() == before
    source, report = pydicom.dcmread(image), pydicom.dcmread(tmp_path / "sr.dcm")
    for key in (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "StudyInstanceUID", "StudyDate",
        "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
    ):  # fmt: skip
        assert report[key].value == source[key].value, key
    assert report.SeriesInstanceUID != source.SeriesInstanceUID
    assert report.SOPInstanceUID != source.SOPInstanceUID
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    (referenced,) = series.ReferencedSOPSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (source.StudyInstanceUID, source.SeriesInstanceUID)
    assert (referenced.ReferencedSOPInstanceUID, referenced.ReferencedSOPClassUID) == (
        source.SOPInstanceUID, source.SOPClassUID,
    )  # fmt: skip
    makers = [item.Manufacturer for item in report.ContributingEquipmentSequence]
    assert makers[:2] == ["Maker", "monai_tbkd"]
    assert report.ContributingEquipmentSequence[1].SoftwareVersions == MODEL
    assert report.ContentQualification == "RESEARCH"
    assert is_own_result(report)
    assert not is_own_result(source)


def test_the_same_finding_has_the_same_uids_and_another_has_others(tmp_path: Path) -> None:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm"))
    other = SourceImage.read(complete_image(tmp_path / "other.dcm"))
    first = structured_report(source, finding(*TWO_BOXES))
    again = structured_report(source, finding(*TWO_BOXES))
    assert (first.SOPInstanceUID, first.SeriesInstanceUID) == (again.SOPInstanceUID, again.SeriesInstanceUID)
    different = [
        structured_report(source, finding(*TWO_BOXES, score=0.9124)),
        structured_report(source, finding(TWO_BOXES[0])),
        structured_report(source, finding(*TWO_BOXES, threshold=0.4)),
        structured_report(other, finding(*TWO_BOXES)),
    ]
    uids = {uid for report in (first, *different) for uid in (report.SOPInstanceUID, report.SeriesInstanceUID)}
    assert len(uids) == 2 * 5
    assert all(len(uid) <= 64 for uid in uids)


def test_patient_data_of_any_kind_are_carried_over_and_never_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    odd = {"PatientSex": "X", "PatientBirthDate": "198O0229", "PatientName": "Secret Patient no caret", "StudyTime": ""}
    image = complete_image(tmp_path / "image.dcm", **odd)
    recwarn.clear()  # pydicom has warned of the image as it was made
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    write_structured_report(tmp_path / "sr.dcm", image, finding(*TWO_BOXES))
    said = caplog.text + " ".join(str(warning.message) for warning in recwarn)
    report = pydicom.dcmread(tmp_path / "sr.dcm")
    assert {key: str(report[key].value) for key in odd} == odd
    for secret in ("Secret", "secret-id", "198O", "acc-7"):
        assert secret not in said
    assert "Secret" not in "".join(path.name for path in tmp_path.rglob("*"))


def test_an_image_without_a_meta_header_or_without_patient(tmp_path: Path) -> None:
    image = write_image(tmp_path / "image.dcm", ramp(0, 255), 8, headless=True)
    write_structured_report(tmp_path / "sr.dcm", image, finding(*TWO_BOXES))
    bare = write_image(tmp_path / "bare.dcm", ramp(0, 255), 8, PatientName=None, PatientID=None, PatientAge=None)
    report = write_structured_report(tmp_path / "bare_sr.dcm", bare, finding(*TWO_BOXES))
    assert report.PatientName is None or str(report.PatientName) == ""
    assert len(groups_of(tmp_path / "bare_sr.dcm")) == len(groups_of(tmp_path / "sr.dcm")) == 3


@pytest.mark.parametrize("key", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_an_image_that_cannot_be_referred_to_is_named_by_what_it_lacks(tmp_path: Path, key: str) -> None:
    image = write_image(tmp_path / "image.dcm", ramp(0, 255), 8, headless=True, **{**COMPLETE, key: None})
    with pytest.raises(DicomResultError, match=f"lacks {key}"):
        write_structured_report(tmp_path / "sr.dcm", image, finding())
    assert not (tmp_path / "sr.dcm").exists()


def test_a_picture_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(DicomResultError, match="NOT_AN_IMAGE"):
        SourceImage.read(noise_png(tmp_path / "image.png"))
    with pytest.raises(DicomResultError, match="NOT_READABLE"):
        SourceImage.read(tmp_path / "none.dcm")


def test_a_box_beyond_the_image_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    image = complete_image(tmp_path / "image.dcm")
    with pytest.raises(ValueError, match="41 rows and 57 columns"):
        write_structured_report(tmp_path / "sr.dcm", image, finding((0, 0, 41, 57, 0.5)))
    assert [path.name for path in tmp_path.iterdir()] == ["image.dcm"]


def test_a_finding_from_a_row_of_the_table() -> None:
    row = {
        "status": "done", "score_0_100": 91.23, "threshold_0_100": 50.0, "threshold_id": "config",
        "decision": "TB suggestive", "boxes": [[3.0, 4.5, 20.0, 30.25, 0.9123], [30.0, 2.0, 57.0, 41.0, 0.61]],
        "model_version": MODEL, "warnings": None,
    }  # fmt: skip
    assert ImageFinding.from_row(row) == finding(*TWO_BOXES)
    undecided = {**row, "threshold_0_100": None, "decision": None, "boxes": None}
    assert ImageFinding.from_row(undecided) == ImageFinding(0.9123, model_version=MODEL, threshold_id="config")
    with pytest.raises(ValueError, match=r"no score \(NOT_CHEST\)"):
        ImageFinding.from_row({"score_0_100": None, "reason": "NOT_CHEST"})


def test_numbers_that_cannot_be_are_refused() -> None:
    for box in ((5, 5, 5, 9, 0.5), (-1, 0, 2, 2, 0.5), (0, 0, float("nan"), 2, 0.5), (0, 0, 2, 2, 1.5)):
        with pytest.raises(ValueError, match="expected 0"):
            BoxFinding(*box)
    with pytest.raises(ValueError, match="expected 0 to 1"):
        ImageFinding(91.2)
    with pytest.raises(ValueError, match="both or neither"):
        ImageFinding(0.9, 0.5)


def written(tmp_path: Path, reason: ReasonCode, model: str = MODEL) -> Path:
    source = SourceImage.read(complete_image(tmp_path / "image.dcm"))
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
    image = pydicom.dcmread(tmp_path / "image.dcm")
    assert (report.StudyInstanceUID, report.PatientID) == (image.StudyInstanceUID, image.PatientID)


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
    source = SourceImage.read(complete_image(tmp_path / "image.dcm"))
    assert not is_refusal(structured_report(source, finding()))
