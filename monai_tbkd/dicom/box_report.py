"""The rectangles of a structured report: of OHIF, when an annotator has pressed "Create SR", and of this program."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from monai_tbkd.data import FilmError
from monai_tbkd.data.readers.dicom_file import read_dicom_header
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom import coded_terms as terms
from monai_tbkd.dicom.report_head import (
    ReportHead,
    children,
    concept,
    descendants,
    is_measurement_report,
    measurement_groups,
    report_head,
    words_of,
)
from monai_tbkd.dicom.structured_report import BOX_COMMENT

LARGEST_REPORT = 2**20
"""Bytes of a report that is read: some 400 rectangles; a file of empty items takes some seconds a MiB to parse."""
_TRACKING, _FILM_SCORE = ("112039", "DCM"), (terms.FILM_SCORE.value, terms.FILM_SCORE.scheme_designator)
_TOOL = re.compile(r"cornerstone\w*@[^:]*:(\w+)", re.IGNORECASE)
# Tools that enclose nothing, so that nothing that they were drawn around can be lost.
_MEASURES = {"length", "bidirectional", "angle", "cobbangle", "probe", "ultrasounddirectional"}
_LINES = ("POLYLINE", "POINT", "MULTIPOINT")
_ARROW, _RECTANGLE = "arrowannotate", "rectangleroi"
_VIEWER_SCHEME = "99CS3D"  # where OHIF has put a text, and the handles of a spline


class BoxReportError(ValueError):
    """A report that no boxes can be read from; the message says why, and holds no patient data."""


@dataclass(frozen=True)
class ReportBox:
    """A rectangle.

    Attributes:
        word: what its finding or comment calls it; empty where the report says nothing.
        edges: ``(xmin, ymin, xmax, ymax)`` on the film's stored pixels, x = column, 0 = the film's edge.
    """

    word: str
    edges: tuple[float, float, float, float]


@dataclass(frozen=True)
class BoxReport:
    """What a report says of one film.

    Attributes:
        head: whose it is, and when it was written.
        film: SOP instance UID of the film that all of it is about.
        boxes: its rectangles; one that was turned gives the box around it.
        notes: texts of arrows.
        film_percent: the film's score of 0-100 in reports of this program, else None.
        left_out: what else was measured, such as ``Length``.
    """

    head: ReportHead
    film: str
    boxes: tuple[ReportBox, ...] = ()
    notes: tuple[str, ...] = ()
    film_percent: float | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Region:
    kind: str
    points: NDArray[np.float64]
    film: str


def read_box_report(path: str | Path) -> BoxReport:
    """Read the rectangles of a report of TID 1500 (PS3.16).

    Args:
        path: an Enhanced, Comprehensive or Comprehensive 3D SR.

    Returns:
        What it says. Lines, angles and points are named in ``left_out``.

    Raises:
        BoxReportError: not such a report; shapes that are no rectangles, or in 3D; coordinates that are not finite;
            no film, several, or a frame behind the first.
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
    except FilmError as error:
        raise BoxReportError(f"The report is not a DICOM file that can be read ({error.reason}).") from error
    return box_report(report)


def box_report(report: Dataset) -> BoxReport:
    """The same of a data set that is there already.

    Raises:
        BoxReportError: as `read_box_report`.
    """
    try:
        with quiet_pydicom():
            return _read(report)
    except (BoxReportError, MemoryError):
        raise
    except Exception as error:  # pydicom parses an element when it is first asked for; its words may quote the file
        raise BoxReportError(f"The report is damaged ({type(error).__name__}); send it again.") from error


def _read(report: Dataset) -> BoxReport:
    if not is_measurement_report(report):
        raise BoxReportError("The DICOM file is not an Enhanced or Comprehensive SR of TID 1500, as OHIF stores it.")
    boxes: list[ReportBox] = []
    notes, left_out, films = [], [], set()
    percent = None
    for group in measurement_groups(report):
        regions = [_region(item) for item in _spatial_items(group)]
        films |= {region.film for region in regions}
        tool, (comment, finding) = _tool(group), words_of(group)
        score = _film_score(group)
        if score is not None:
            percent = score
        elif tool.lower() == _ARROW and comment:
            notes.append(comment)
        elif (name := _without_area(tool, regions)) is not None:
            left_out.append(name)
        else:
            said = "" if BOX_COMMENT.match(comment) else comment
            boxes.append(ReportBox(said or finding, _rectangle(tool, regions)))
    if len(films) != 1:
        raise BoxReportError(f"The report refers to {len(films)} films; expected one film a report.")
    return BoxReport(report_head(report), films.pop(), tuple(boxes), tuple(notes), percent, tuple(left_out))


def _spatial_items(group: Dataset) -> list[Dataset]:
    return [
        item
        for item in descendants(group)
        if str(item.get("ValueType")) in ("SCOORD", "SCOORD3D") and concept(item)[1] != _VIEWER_SCHEME
    ]


def _region(item: Dataset) -> _Region:
    if item.ValueType == "SCOORD3D":
        raise BoxReportError("The report has coordinates in 3D; expected those of a film (SCOORD).")
    data = item.get("GraphicData")
    values = np.atleast_1d(np.asarray([] if data is None else data, dtype=np.float64))
    if len(values) < 2 or len(values) % 2 or not np.isfinite(values).all():
        raise BoxReportError("The report has coordinates that are not pairs of finite numbers.")
    images = [each for below in children(item) for each in below.get("ReferencedSOPSequence") or []]
    films = {str(each.get("ReferencedSOPInstanceUID") or "") for each in images}
    if len(films) != 1 or "" in films:
        raise BoxReportError(f"A shape of the report refers to {len(films - {''})} films; expected one.")
    if any(number != 1 for each in images for number in _numbers(each.get("ReferencedFrameNumber"))):
        raise BoxReportError("The report refers to frames behind the first; expected a film of one frame.")
    return _Region(str(item.get("GraphicType")), values.reshape(-1, 2), films.pop())


def _numbers(value: Any) -> list[int]:
    if value is None or value == "":
        return []
    return [int(each) for each in (value if isinstance(value, list | tuple) or hasattr(value, "append") else [value])]


def _tool(group: Dataset) -> str:
    """The viewer's tool that a group was made with, empty where it does not say."""
    for item in children(group):
        if concept(item) == _TRACKING and (found := _TOOL.match(str(item.get("TextValue") or ""))):
            return found[1]
    return ""


def _film_score(group: Dataset) -> float | None:
    """The film's score, where a group is what this program says of the whole film."""
    for item in children(group):
        if concept(item) == _FILM_SCORE:
            return float(item.MeasuredValueSequence[0].NumericValue)
    return None


def _without_area(tool: str, regions: list[_Region]) -> str | None:
    """What a group is called that encloses no part of the film; None for one that does."""
    if not regions:
        return "a group without coordinates"
    lines = all(len(region.points) < 3 and region.kind in _LINES for region in regions)
    if tool.lower() in {*_MEASURES, _ARROW} or (lines and not tool):
        return tool or regions[0].kind
    return None


def _rectangle(tool: str, regions: list[_Region]) -> tuple[float, float, float, float]:
    kind, points = regions[0].kind, regions[0].points
    closed = points[:4] if len(points) == 5 and np.allclose(points[0], points[4], rtol=1e-6, atol=0.01) else points
    if (
        len(regions) != 1
        or tool.lower() not in ("", _RECTANGLE)
        or kind != "POLYLINE"
        or len(closed) != 4
        # opposite corners have the same middle; coordinates are 32-bit floats
        or not np.allclose(closed[0] + closed[2], closed[1] + closed[3], rtol=1e-6, atol=0.02)
    ):
        raise BoxReportError(f"The report has a shape that is no rectangle ({tool or kind}); draw it as a rectangle.")
    (xmin, ymin), (xmax, ymax) = closed.min(axis=0), closed.max(axis=0)
    return float(xmin), float(ymin), float(xmax), float(ymax)
