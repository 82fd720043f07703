"""Boxes of reports that OHIF has stored, and of our own, and what is no such report."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import highdicom as hd
import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage

from monai_tbkd.data.files.own_results import is_own_result
from monai_tbkd.dicom import (
    DRAWN_BY_ANNOTATOR,
    LARGEST_REPORT,
    Author,
    BoxReportError,
    ReportBox,
    is_about_tuberculosis,
    read_box_report,
    report_head,
    write_structured_report,
)
from tests.dicom.dicom_images import TWO_BOXES, complete_image, finding
from tests.dicom.ohif_reports import HELD, NON_TB, SENT, SHAPES, changed, groups_of, ohif_report, shape_of


class TestOfOhif:
    def test_boxes_are_those_that_it_held(self) -> None:
        report = read_box_report(SENT)
        assert [box.word for box in report.boxes] == ["tuberculosis", ""]  # the second was drawn anew
        for box, held in zip(report.boxes, HELD, strict=True):
            assert box.edges == pytest.approx(held, abs=1e-4)  # coordinates are 32-bit floats
        assert (report.notes, report.left_out, report.image_percent) == ((), (), None)

    def test_it_is_valid_for_another_reader(self) -> None:
        assert isinstance(hd.sr.srread(str(SENT)), hd.sr.EnhancedSR)

    def test_a_renamed_rectangle_has_its_new_word(self) -> None:
        assert [box.word for box in read_box_report(NON_TB).boxes] == ["non_tb"]

    def test_what_has_no_area_is_named_and_what_has_one_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BoxReportError, match="no rectangle \\(EllipticalROI\\)"):
            read_box_report(SHAPES)

        def without_ellipse_and_circle(report: Dataset) -> None:
            groups = groups_of(report)
            report.ContentSequence[4].ContentSequence = [groups[0], groups[2], groups[4]]

        report = read_box_report(changed(SHAPES, tmp_path / "r.dcm", without_ellipse_and_circle))
        assert (report.boxes, report.notes, report.left_out) == ((), ("health",), ("Length", "Bidirectional"))

    def test_where_a_text_was_put_is_no_shape(self, tmp_path: Path) -> None:
        def text_moved(report: Dataset) -> None:
            group = groups_of(report)[0]
            position = deepcopy(shape_of(group))
            position.GraphicType, position.GraphicData = "POINT", [1.0, 2.0]
            position.ConceptNameCodeSequence = deepcopy(group.ContentSequence[0].ConceptNameCodeSequence)
            code = position.ConceptNameCodeSequence[0]
            code.CodeValue, code.CodingSchemeDesignator = "TextPosition", "99CS3D"
            group.ContentSequence.append(position)

        assert len(read_box_report(changed(SENT, tmp_path / "r.dcm", text_moved)).boxes) == 2

    def test_a_turned_rectangle_gives_the_box_around_it(self, tmp_path: Path) -> None:
        def turned(report: Dataset) -> None:
            shape_of(groups_of(report)[0]).GraphicData = [20.0, 10.0, 30.0, 20.0, 20.0, 30.0, 10.0, 20.0]

        assert read_box_report(changed(SENT, tmp_path / "r.dcm", turned)).boxes[0].edges == (10, 10, 30, 30)


class TestOfThisProgram:
    def test_boxes_come_back(self, tmp_path: Path) -> None:
        image = complete_image(tmp_path / "image.dcm")
        write_structured_report(tmp_path / "sr.dcm", image, finding(*TWO_BOXES))
        report = read_box_report(tmp_path / "sr.dcm")
        # the outline of the whole image is no box, and what we say of a score is no word of a person
        assert report.boxes == tuple(ReportBox("tuberculosis", box[:4]) for box in TWO_BOXES)
        assert report.image_percent == 91.23
        assert report.image == pydicom.dcmread(image).SOPInstanceUID


class TestAuthor:
    def test_of_each(self, tmp_path: Path) -> None:
        image = complete_image(tmp_path / "image.dcm")
        own = write_structured_report(tmp_path / "sr.dcm", image, finding(*TWO_BOXES))
        assert report_head(own).author is Author.DEVICE
        assert read_box_report(SENT).head.author is Author.ANNOTATOR
        own.SoftwareVersions = f"{DRAWN_BY_ANNOTATOR}, saved by monai_tbkd"
        assert report_head(own).author is Author.ANNOTATOR

    def test_a_report_in_our_series_under_our_name_is_still_a_persons(self, tmp_path: Path) -> None:
        """OHIF 3.13.2 takes over series, number and description; nothing would change if it took over the maker."""
        image = complete_image(tmp_path / "image.dcm")
        own = write_structured_report(tmp_path / "sr.dcm", image, finding(*TWO_BOXES))
        maker = {key: own.get(key) for key in ("Manufacturer", "ManufacturerModelName", "SoftwareVersions")}
        path = ohif_report(tmp_path / "r.dcm", image, [TWO_BOXES[0][:4]], own, **maker)
        assert is_own_result(pydicom.dcmread(path))
        head = read_box_report(path).head
        assert head.author is Author.ANNOTATOR
        assert head.predecessors == {str(own.SOPInstanceUID)}

    def test_of_another_program_and_of_nobody(self, tmp_path: Path) -> None:
        image = complete_image(tmp_path / "image.dcm")
        write_structured_report(tmp_path / "sr.dcm", image, finding(*TWO_BOXES))

        def of_another(report: Dataset) -> None:
            for item in report.ContentSequence:
                if item.get("TextValue") == "monai_tbkd":
                    item.TextValue = "other vendor"

        assert (
            read_box_report(changed(tmp_path / "sr.dcm", tmp_path / "o.dcm", of_another)).head.author is Author.DEVICE
        )

        def of_nobody(report: Dataset) -> None:
            del report.ContentSequence[1]

        assert read_box_report(changed(SENT, tmp_path / "n.dcm", of_nobody)).head.author is Author.UNKNOWN


class TestSubject:
    @pytest.mark.parametrize(
        ("words", "expected"), [((), False), (("nodule",), False), (("ActiveTuberculosis",), True), (("health",), True)]
    )
    def test_words(self, words: tuple[str, ...], expected: bool, tmp_path: Path) -> None:
        path = ohif_report(tmp_path / "r.dcm", complete_image(tmp_path / "f.dcm"), [(1, 1, 9, 9)], words=words)
        assert is_about_tuberculosis(pydicom.dcmread(path)) is expected

    def test_finding_and_predecessor(self, tmp_path: Path) -> None:
        assert is_about_tuberculosis(pydicom.dcmread(SENT))
        image = complete_image(tmp_path / "image.dcm")
        own = write_structured_report(tmp_path / "sr.dcm", image, finding())
        report = pydicom.dcmread(ohif_report(tmp_path / "r.dcm", image, [(1, 1, 9, 9)], own))
        assert is_about_tuberculosis(report, {own.SOPInstanceUID})
        assert not is_about_tuberculosis(report, {"1.2.3"})


def first_shape(**elements: Any) -> Callable[[Dataset], None]:
    def change(report: Dataset) -> None:
        for keyword, value in elements.items():
            setattr(shape_of(groups_of(report)[0]), keyword, value)

    return change


def reference(**elements: Any) -> Callable[[Dataset], None]:
    def change(report: Dataset) -> None:
        for keyword, value in elements.items():
            image = shape_of(groups_of(report)[0]).ContentSequence[0]
            setattr(image.ReferencedSOPSequence[0], keyword, value)

    return change


def no_image(report: Dataset) -> None:
    del shape_of(groups_of(report)[0]).ContentSequence


def empty(report: Dataset) -> None:
    report.ContentSequence[4].ContentSequence = []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda report: setattr(report, "SOPClassUID", BasicTextSRStorage), "TID 1500"),
        (lambda report: setattr(report.ContentTemplateSequence[0], "TemplateIdentifier", "2000"), "TID 1500"),
        (first_shape(ValueType="SCOORD3D"), "in 3D"),
        (first_shape(GraphicType="ELLIPSE"), "no rectangle"),
        (first_shape(GraphicData=[1.0, 1.0, 9.0, 1.0, 7.0, 9.0, 1.0, 9.0]), "no rectangle"),
        (first_shape(GraphicData=[1.0, 1.0, 9.0, 9.0]), "no rectangle"),
        (first_shape(GraphicData=[1.0, 1.0, 9.0]), "pairs of finite numbers"),
        (first_shape(GraphicData=[float("nan"), 1.0] * 5), "pairs of finite numbers"),
        (first_shape(GraphicData=[float("inf"), 1.0] * 5), "pairs of finite numbers"),
        (first_shape(GraphicData=None), "pairs of finite numbers"),
        (reference(ReferencedSOPInstanceUID="1.2.3"), "2 images"),
        (reference(ReferencedFrameNumber=2), "frames behind the first"),
        (reference(ReferencedFrameNumber=[1, 3]), "frames behind the first"),
        (no_image, "0 images"),
        (empty, "0 images"),
    ],
)  # fmt: skip
def test_what_is_no_report_of_boxes(change: Callable[[Dataset], Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(BoxReportError, match=message):
        read_box_report(changed(SENT, tmp_path / "r.dcm", change))


def test_the_first_frame_is_the_image(tmp_path: Path) -> None:
    assert read_box_report(changed(SENT, tmp_path / "r.dcm", reference(ReferencedFrameNumber=1))).boxes


@pytest.mark.parametrize("content", [b"", b"no DICOM", SENT.read_bytes()[:-900], SENT.read_bytes()[:700]])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "r.dcm").write_bytes(content)
    with pytest.raises(BoxReportError):
        read_box_report(tmp_path / "r.dcm")


def test_a_report_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "r.dcm").write_bytes(SENT.read_bytes() + bytes(LARGEST_REPORT))
    with pytest.raises(BoxReportError, match="expected at most"):
        read_box_report(tmp_path / "r.dcm")


def test_an_image_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(BoxReportError, match="TID 1500"):
        read_box_report(complete_image(tmp_path / "image.dcm"))
