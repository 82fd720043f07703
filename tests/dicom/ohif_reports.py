"""Reports that OHIF 3.13.2 stored in Orthanc (`benchmarks/ohif_view.py`), and the same for images of a test.

``sent.dcm``: of two rectangles one was moved, one deleted, one drawn anew. ``non_tb.dcm``: one rectangle, renamed.
``shapes.dcm``: an arrow with the text health, an ellipse, a length, a circle and a bidirectional. The image of the
first two is the same phantom of 512 x 448 pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pydicom
from pydicom import Dataset
from pydicom.uid import generate_uid

from tests.dicom.dicom_images import odd_image

FOLDER = Path(__file__).parent / "ohif"
SENT, NON_TB, SHAPES = FOLDER / "sent.dcm", FOLDER / "non_tb.dcm", FOLDER / "shapes.dcm"
# What OHIF's measurement service held when SENT was stored, in image pixels
HELD = (
    (247.52575543261545, 154.64950146451943, 382.27575107296144, 344.6494905653844),
    (76.7725321888412, 94.48927038626609, 135.37052932761088, 167.73676680972818),
)


def image_of(report: Path, path: Path) -> Path:
    """An image of the size and under the UID that a report refers to."""
    evidence = pydicom.dcmread(report).CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    return odd_image(path, 512, 448, SOPInstanceUID=evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def groups_of(report: Dataset) -> list[Dataset]:
    """Its measurement groups, to change."""
    return list(report.ContentSequence[4].ContentSequence)


def shape_of(group: Dataset) -> Dataset:
    """The item with the coordinates of a group, to change."""
    return next(item for item in group.ContentSequence if item.ValueType == "NUM").ContentSequence[0]


def changed(source: Path, path: Path, change: Callable[[Dataset], Any]) -> Path:
    """A report with a change."""
    report = pydicom.dcmread(source)
    change(report)
    report.save_as(path)
    return path


def ohif_report(
    path: Path,
    image: Path,
    boxes: Sequence[tuple[float, float, float, float]],
    predecessor: Dataset | None = None,
    words: Sequence[str] = (),
    **elements: Any,
) -> Path:
    """What OHIF stores for an image, made from what it stored for another one.

    Args:
        path: of the report.
        image: DICOM.
        boxes: xmin, ymin, xmax, ymax each.
        predecessor: the report that was opened and corrected; OHIF puts its own into the same series.
        words: what the boxes are called; nothing where there are fewer.
        elements: by keyword.
    """
    report, source = pydicom.dcmread(SENT), pydicom.dcmread(image, stop_before_pixels=True)
    bare = groups_of(report)[1]  # without a finding
    groups = []
    for number, (xmin, ymin, xmax, ymax) in enumerate(boxes):
        group = deepcopy(bare)
        shape_of(group).GraphicData = [xmin, ymin, xmax, ymin, xmax, ymax, xmin, ymax, xmin, ymin]
        if number < len(words):
            group.ContentSequence.append(_comment(words[number]))
        groups.append(group)
    report.ContentSequence[4].ContentSequence = groups
    for item in report.iterall():
        if item.keyword == "ReferencedSOPInstanceUID":
            item.value = source.SOPInstanceUID
    for study in report.CurrentRequestedProcedureEvidenceSequence:
        study.StudyInstanceUID = source.StudyInstanceUID
        study.ReferencedSeriesSequence[0].SeriesInstanceUID = source.SeriesInstanceUID
    report.StudyInstanceUID, report.PatientID = source.StudyInstanceUID, source.PatientID
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    if predecessor is None:
        del report.PredecessorDocumentsSequence
        report.SeriesInstanceUID = generate_uid()
    else:
        series = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
        series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = predecessor.SOPInstanceUID
        report.SeriesInstanceUID = series.SeriesInstanceUID = predecessor.SeriesInstanceUID
    for keyword, value in elements.items():
        setattr(report, keyword, value)
    report.save_as(path)
    return path


def _comment(text: str) -> Dataset:
    code, item = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "121106", "DCM", "Comment"
    item.RelationshipType, item.ValueType, item.TextValue = "CONTAINS", "TEXT", text
    item.ConceptNameCodeSequence = [code]
    return item
