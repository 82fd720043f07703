"""Read author, images and rectangles from structured reports of OHIF ("Create SR") and of this program.

highdicom's ``srread`` makes none of the checks here, and cannot read reports from an archive's metadata.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from monai_tbkd.data import ImageError
from monai_tbkd.data.files.own_results import MANUFACTURER
from monai_tbkd.data.lists.image_classes import box_type_of, class_of
from monai_tbkd.data.readers.dicom_file import read_dicom_header
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom import coded_terms as terms
from monai_tbkd.dicom.result_object import DRAWN_BY_ANNOTATOR, software_version
from monai_tbkd.dicom.structured_report import BOX_COMMENT

LARGEST_REPORT = 2**20
"""Largest report in bytes, about 400 rectangles; a file of empty items takes seconds per MiB to parse."""
_SOP_CLASSES = (EnhancedSRStorage, ComprehensiveSRStorage, Comprehensive3DSRStorage)  # OHIF 3.13 stores Enhanced SR
_MEASUREMENTS, _GROUP, _TRACKING = ("126010", "DCM"), ("125007", "DCM"), ("112039", "DCM")
_FINDING, _COMMENT, _IMAGE_SCORE = (
    (code.value, code.scheme_designator) for code in (terms.FINDING, terms.COMMENT, terms.IMAGE_SCORE)
)
_TUBERCULOSIS = (terms.TUBERCULOSIS.value, terms.TUBERCULOSIS.scheme_designator)
_OBSERVER_TYPE, _PERSON, _DEVICE = ("121005", "DCM"), ("121006", "DCM"), ("121007", "DCM")
_PERSON_NAME = ("121008", "DCM")
_DEVICE_WORDS = (("121013", "DCM"), ("121014", "DCM"))  # its name, its manufacturer
_EVIDENCE = ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
_TOOL = re.compile(r"cornerstone\w*@[^:]*:(\w+)", re.IGNORECASE)
_ARROW, _RECTANGLE = "arrowannotate", "rectangleroi"
# tools whose shapes enclose no area
_MEASURES = {"length", "bidirectional", "angle", "cobbangle", "probe", "ultrasounddirectional", _ARROW}
_LINES = ("POLYLINE", "POINT", "MULTIPOINT")
_VIEWER_SCHEME = "99CS3D"  # positions of OHIF's texts and spline handles


class BoxReportError(ValueError):
    """No boxes can be read from a report; the message says why, without patient data."""


class Author(Enum):
    """Who made the observations of a report."""

    ANNOTATOR = "a person"
    DEVICE = "a program"
    UNKNOWN = "nobody that it names"


@dataclass(frozen=True)
class ReportHead:
    """The head of a report."""

    uid: str  # SOP instance UID
    # From the observer in the content, not from equipment or series tags: OHIF puts a corrected report into the series
    # of the opened one, with that series' name and number.
    author: Author
    ours: bool = False  # whether its observer is this program
    # by SOP instance UID of each measured image the UID of its series, or the empty string
    images: dict[str, str] = field(default_factory=dict)
    written: str = ""  # date and time as sortable text; empty if unknown
    predecessors: frozenset[str] = frozenset()  # SOP instance UIDs of the reports it was derived from


@dataclass(frozen=True)
class ReportBox:
    """A rectangle."""

    word: str  # its comment or finding; empty if there is none
    # (xmin, ymin, xmax, ymax) on the image's stored pixels, x = column, 0 = the image's edge
    edges: tuple[float, float, float, float]


@dataclass(frozen=True)
class BoxReport:
    """The content of a report about one image."""

    head: ReportHead
    image: str  # SOP instance UID
    boxes: tuple[ReportBox, ...] = ()  # a rotated rectangle gives its bounding box
    notes: tuple[str, ...] = ()  # texts of arrows
    image_percent: float | None = None  # the image's score of 0-100 in reports of this program
    left_out: tuple[str, ...] = ()  # other measurements, such as "Length"


class _Region(NamedTuple):
    kind: str
    points: NDArray[np.float64]
    image: str


def read_box_report(path: str | Path) -> BoxReport:
    """Read the rectangles of a report of TID 1500 (PS3.16): an Enhanced, Comprehensive or Comprehensive 3D SR.

    Lines, angles and points are named in ``left_out``.

    Raises:
        BoxReportError: not such a report; shapes that are no rectangles, or in 3D; coordinates that are not finite;
            no image, several, or a frame behind the first.
        OSError: there is no such file.

    Example:
        >>> read_box_report("report.dcm").boxes  # doctest: +SKIP
        (ReportBox(word='tuberculosis', edges=(269.5, 140.0, 404.25, 330.0)),)
    """
    path = Path(path)
    if path.stat().st_size > LARGEST_REPORT:
        raise BoxReportError(f"The report has {path.stat().st_size} bytes; expected at most {LARGEST_REPORT}.")
    try:
        report = read_dicom_header(path)
    except MemoryError as error:  # of a file this small: a damaged length
        raise BoxReportError("The report is damaged (MemoryError); send it again.") from error
    except ImageError as error:
        raise BoxReportError(f"The report is not a DICOM file that can be read ({error.reason}).") from error
    return box_report(report)


def box_report(report: Dataset) -> BoxReport:
    """Read the rectangles of a data set, as `read_box_report`."""
    try:
        with quiet_pydicom():
            return _read(report)
    except (BoxReportError, MemoryError):
        raise
    except Exception as error:  # pydicom parses lazily; its message may quote the file
        raise BoxReportError(f"The report is damaged ({type(error).__name__}); send it again.") from error


def report_head(report: Dataset) -> ReportHead:
    """Read the head of a data set or of an archive's metadata.

    pydicom may raise anything where an element is damaged.
    """
    series = dict(pair for key in _EVIDENCE for pair in referenced_instances(report, key))
    images = {uid: series.get(uid, "") for group in _groups(report) for uid in _images(group)}
    before = frozenset(uid for uid, _ in referenced_instances(report, "PredecessorDocumentsSequence"))
    context = [item for item in _children(report) if _text(item, "RelationshipType") == "HAS OBS CONTEXT"]
    kinds = {_code(item, "ConceptCodeSequence") for item in context if _code(item) == _OBSERVER_TYPE}
    devices = {_text(item, "TextValue") for item in context if _code(item) in _DEVICE_WORDS}
    ours = MANUFACTURER in devices
    if ours:
        author = Author.ANNOTATOR if software_version(report).startswith(DRAWN_BY_ANNOTATOR) else Author.DEVICE
    elif _PERSON in kinds or any(_code(item) == _PERSON_NAME for item in context):
        author = Author.ANNOTATOR
    else:
        author = Author.DEVICE if devices or _DEVICE in kinds else Author.UNKNOWN
    date, time = _text(report, "ContentDate"), _text(report, "ContentTime")
    dated = re.fullmatch(r"\d{8}", date) and re.fullmatch(r"\d*(\.\d+)?", time)
    return ReportHead(_text(report, "SOPInstanceUID"), author, ours, images, date + time if dated else "", before)


def is_measurement_report(report: Dataset) -> bool:
    """Whether a report is of the kinds and the template (TID 1500) that boxes are read from."""
    named = [_text(each, "TemplateIdentifier") for each in report.get("ContentTemplateSequence") or []]
    return _text(report, "SOPClassUID") in _SOP_CLASSES and named == ["1500"]


def is_about_tuberculosis(report: Dataset, own: Container[str] = ()) -> bool:
    """Whether a report was derived from one of ours, or names tuberculosis or another class of images.

    A rectangle alone does not say what it encloses. `own` holds SOP instance UIDs of our reports.
    """
    if any(uid in own for uid in report_head(report).predecessors):
        return True
    return any(
        (_code(item) == _FINDING and _code(item, "ConceptCodeSequence") == _TUBERCULOSIS)
        or (_code(item) == _COMMENT and (class_of(word := _text(item, "TextValue")) or box_type_of(word)))
        for group in _groups(report)
        for item in _children(group)
    )


def referenced_instances(report: Dataset, keyword: str) -> Iterator[tuple[str, str]]:
    """SOP instance UIDs in a sequence of studies (PS3.3, C.17.2), each with the UID of its series."""
    for study in report.get(keyword) or []:
        for series in study.get("ReferencedSeriesSequence") or []:
            for instance in series.get("ReferencedSOPSequence") or []:
                yield _text(instance, "ReferencedSOPInstanceUID"), _text(series, "SeriesInstanceUID")


def _read(report: Dataset) -> BoxReport:
    if not is_measurement_report(report):
        raise BoxReportError("The DICOM file is not an Enhanced or Comprehensive SR of TID 1500, as OHIF stores it.")
    boxes: list[ReportBox] = []
    notes, left_out, images = [], [], set()
    percent = None
    for group in _groups(report):
        regions = [
            _region(item)
            for item in _descendants(group)
            if str(item.get("ValueType")) in ("SCOORD", "SCOORD3D") and _code(item)[1] != _VIEWER_SCHEME
        ]
        images |= {region.image for region in regions}
        tool, (comment, finding) = _tool(group), _words(group)
        scores = [item for item in _children(group) if _code(item) == _IMAGE_SCORE]
        if scores:  # this program's group of the whole image
            percent = float(scores[0].MeasuredValueSequence[0].NumericValue)
        elif tool.lower() == _ARROW and comment:
            notes.append(comment)
        elif (name := _without_area(tool, regions)) is not None:
            left_out.append(name)
        else:
            said = "" if BOX_COMMENT.match(comment) else comment
            boxes.append(ReportBox(said or finding, _rectangle(tool, regions)))
    if len(images) != 1:
        raise BoxReportError(f"The report refers to {len(images)} images; expected one image a report.")
    return BoxReport(report_head(report), images.pop(), tuple(boxes), tuple(notes), percent, tuple(left_out))


def _region(item: Dataset) -> _Region:
    if item.ValueType == "SCOORD3D":
        raise BoxReportError("The report has coordinates in 3D; expected those of an image (SCOORD).")
    data = item.get("GraphicData")
    values = np.atleast_1d(np.asarray([] if data is None else data, dtype=np.float64))
    if len(values) < 2 or len(values) % 2 or not np.isfinite(values).all():
        raise BoxReportError("The report has coordinates that are not pairs of finite numbers.")
    references = [each for below in _children(item) for each in below.get("ReferencedSOPSequence") or []]
    images = {str(each.get("ReferencedSOPInstanceUID") or "") for each in references}
    if len(images) != 1 or "" in images:
        raise BoxReportError(f"A shape of the report refers to {len(images - {''})} images; expected one.")
    for frames in (each.get("ReferencedFrameNumber") for each in references):
        numbers = frames if isinstance(frames, MultiValue | list | tuple) else [frames]
        if any(int(number) != 1 for number in numbers if number not in (None, "")):
            raise BoxReportError("The report refers to frames behind the first; expected an image of one frame.")
    return _Region(str(item.get("GraphicType")), values.reshape(-1, 2), images.pop())


def _tool(group: Dataset) -> str:
    """The viewer's tool of a group, empty if unknown."""
    tracking = (_TOOL.match(_text(item, "TextValue")) for item in _children(group) if _code(item) == _TRACKING)
    return next((found[1] for found in tracking if found), "")


def _words(group: Dataset) -> tuple[str, str]:
    """Comment and finding of a measurement group; a finding of tuberculosis is ``tuberculosis``."""
    comment = finding = ""
    for item in _children(group):
        if _code(item) == _COMMENT:
            comment = comment or _text(item, "TextValue")
        elif _code(item) == _FINDING and not finding:
            found = list(item.get("ConceptCodeSequence") or [])
            known = _code(item, "ConceptCodeSequence") == _TUBERCULOSIS
            finding = "tuberculosis" if known else _text(found[0], "CodeMeaning") if found else ""
    return comment, finding


def _without_area(tool: str, regions: list[_Region]) -> str | None:
    """Name of a group that encloses no area, None for one that does."""
    if not regions:
        return "a group without coordinates"
    lines = all(len(region.points) < 3 and region.kind in _LINES for region in regions)
    return tool or regions[0].kind if tool.lower() in _MEASURES or (lines and not tool) else None


def _rectangle(tool: str, regions: list[_Region]) -> tuple[float, float, float, float]:
    kind, points = regions[0].kind, regions[0].points
    closed = points[:4] if len(points) == 5 and np.allclose(points[0], points[4], rtol=1e-6, atol=0.01) else points
    if (
        len(regions) != 1
        or tool.lower() not in ("", _RECTANGLE)
        or kind != "POLYLINE"
        or len(closed) != 4
        # the diagonals have the same midpoint; coordinates are 32-bit floats
        or not np.allclose(closed[0] + closed[2], closed[1] + closed[3], rtol=1e-6, atol=0.02)
    ):
        raise BoxReportError(f"The report has a shape that is no rectangle ({tool or kind}); draw it as a rectangle.")
    (xmin, ymin), (xmax, ymax) = closed.min(axis=0), closed.max(axis=0)
    return float(xmin), float(ymin), float(xmax), float(ymax)


def _groups(report: Dataset) -> list[Dataset]:
    """The measurement groups of a report of TID 1500."""
    parts = [part for part in _children(report) if _code(part) == _MEASUREMENTS]
    return [group for part in parts for group in _children(part) if _code(group) == _GROUP]


def _images(group: Dataset) -> Iterator[str]:
    for item in _descendants(group):
        yield from (_text(each, "ReferencedSOPInstanceUID") for each in item.get("ReferencedSOPSequence") or [])


def _children(item: Dataset) -> list[Dataset]:
    return list(item.get("ContentSequence") or [])


def _descendants(item: Dataset) -> Iterator[Dataset]:
    """All content items below one, level by level: a file may nest them too deep for recursion."""
    level = _children(item)
    while level:
        yield from level
        level = [below for each in level for below in _children(each)]


def _code(item: Dataset, keyword: str = "ConceptNameCodeSequence") -> tuple[str, str]:
    """Value and scheme of the first code of a sequence, by default of what a content item is, or empty strings."""
    for code in item.get(keyword) or []:
        return _text(code, "CodeValue"), _text(code, "CodingSchemeDesignator")
    return "", ""


def _text(item: Dataset, keyword: str) -> str:
    value = item.get(keyword)
    return "" if value is None else str(value).strip()
