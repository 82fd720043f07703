"""What was found on a film as a structured report: TID 1500, in the form that OHIF turns into rectangles."""

from __future__ import annotations

import re
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom import sr
from pydicom import Dataset
from pydicom.sr.codedict import codes

from monai_tbkd.data.own_results import MANUFACTURER, MODEL_NAME
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom import coded_terms as terms
from monai_tbkd.dicom.equipment import ALGORITHM, device_uid, result_uid, series_of
from monai_tbkd.dicom.film_finding import BoxFinding, FilmFinding
from monai_tbkd.dicom.source_film import SourceFilm
from monai_tbkd.dicom.whole_object import finished, write_object
from monai_tbkd.transforms import NOTICE

SR_SERIES_NUMBER = 9701
SR_DESCRIPTION = f"TB boxes SR, {NOTICE}"
# What makes Cornerstone3D's adapter, and with it OHIF, take a group for a rectangle that can be changed.
RECTANGLE = "Cornerstone3DTools@^0.1.0:RectangleROI"
BOX_COMMENT = re.compile(rf"TB [\d.]+ of 100, {re.escape(NOTICE)}")
"""What `structured_report` says beside a box; a viewer sends it back with the box."""


@quiet_pydicom()
def structured_report(source: SourceFilm, finding: FilmFinding) -> sr.ComprehensiveSR:
    """Make a Comprehensive SR (PS3.3, A.35.3) of a film: a measurement group for the film, and one for each box.

    The film's group has its score, the threshold, the decision and a comment; a box's has its score, whose number
    carries the box as a closed polyline, and a comment, which OHIF shows beside the rectangle. Scores are percent.
    Coordinates are those of the stored pixel matrix, 0 at the film's edge (PS3.3, C.18.6.1.1).

    Args:
        source: the film.
        finding: what was found.

    Returns:
        The report, not yet written.

    Raises:
        DicomResultError: an element of the film cannot be carried over.
        ValueError: a box reaches beyond the film.

    Example:
        >>> report = structured_report(SourceFilm.read("film.dcm"), FilmFinding(0.2))  # doctest: +SKIP
    """
    bare = source.without_patient()
    groups = [_film_group(source, finding, bare)]
    groups += [_box_group(source, finding, bare, number) for number in range(1, len(finding.boxes) + 1)]
    content = sr.MeasurementReport(
        observation_context=observer(finding),
        procedure_reported=terms.CHEST_RADIOGRAPHY,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    report = sr.ComprehensiveSR(
        evidence=[bare],
        content=content,
        is_complete=True,
        coding_schemes=[terms.OWN_SCHEME],
        content_qualification=hd.ContentQualificationValues.RESEARCH,
        **series_of(source, finding, "SR", SR_SERIES_NUMBER, SR_DESCRIPTION),
    )
    finished(report, source)
    return report


def write_structured_report(path: str | Path, source: SourceFilm | str | Path, finding: FilmFinding) -> Dataset:
    """Make the report of `structured_report` and write it, whole or not at all.

    Args:
        path: of the report.
        source: the film, or its file.
        finding: what was found.

    Returns:
        The report.

    Raises:
        DicomResultError: the film is no DICOM file, or lacks what a report has to refer to.
        ValueError: a box reaches beyond the film.
    """
    film = source if isinstance(source, SourceFilm) else SourceFilm.read(source)
    report = structured_report(film, finding)
    write_object(report, path)
    return report


def observer(finding: FilmFinding) -> sr.ObservationContext:
    """This program with its model, as the device that has observed."""
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=device_uid(finding), name=MANUFACTURER, manufacturer_name=MANUFACTURER, model_name=MODEL_NAME
    )
    return sr.ObservationContext(observer_device_context=sr.ObserverContext(codes.DCM.Device, device))


def _algorithm(finding: FilmFinding) -> sr.AlgorithmIdentification:
    parameters = []
    if finding.threshold is not None:
        origin = f" ({finding.threshold_id})" if finding.threshold_id else ""
        parameters.append(f"score threshold {100 * finding.threshold:.2f} of 100{origin}")
    # Without a family: it is optional here, and readers take its code for one more statement about the film.
    return sr.AlgorithmIdentification(
        name=ALGORITHM,
        version=finding.model_version,
        parameters=parameters or None,
        manufacturer=MANUFACTURER,
    )


def _film_group(source: SourceFilm, finding: FilmFinding, bare: Dataset) -> sr.MeasurementsAndQualitativeEvaluations:
    rows, columns = source.size
    # It is inferred from the whole film, and says so by its outline: OHIF 3.13 stops at a report in which a group has
    # no coordinates. No tool of OHIF's claims this one, so it makes no rectangle of it.
    region = _region(BoxFinding(0, 0, columns, rows, finding.score), source, bare)
    numbers = [
        sr.Measurement(
            name=terms.FILM_SCORE, value=finding.percent, unit=terms.PERCENT, referenced_coordinates=[region]
        )
    ]
    said = []
    if finding.threshold is not None:
        percent = round(100 * finding.threshold, 2)
        numbers.append(sr.Measurement(name=terms.THRESHOLD, value=percent, unit=terms.PERCENT))
        found = finding.suggests_tb
        said = [
            sr.QualitativeEvaluation(terms.SUMMARY, terms.WITH_FINDINGS if found else terms.WITHOUT_FINDINGS),
            sr.QualitativeEvaluation(terms.DECISION, terms.TB_SUGGESTIVE if found else terms.NOT_TB_SUGGESTIVE),
        ]
    warned = f" Warnings: {finding.warnings}." if finding.warnings else ""
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(result_uid(source, finding, "SR", "film"), "whole film"),
        source_images=[sr.SourceImageForMeasurementGroup.from_source_image(bare)],
        finding_sites=[sr.FindingSite(terms.LUNG)],
        algorithm_id=_algorithm(finding),
        measurements=numbers,
        qualitative_evaluations=said or None,
    )
    return _with_comment(group, f"{finding.headline}.{warned} {finding.notice.capitalize()}.")


def _box_group(
    source: SourceFilm, finding: FilmFinding, bare: Dataset, number: int
) -> sr.MeasurementsAndQualitativeEvaluations:
    box = finding.boxes[number - 1]
    percent = round(100 * box.score, 2)
    region = _region(box, source, bare)
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            result_uid(source, finding, "SR", f"box {number}"), f"{RECTANGLE}:box {number}"
        ),
        source_images=[sr.SourceImageForMeasurementGroup.from_source_image(bare)],
        finding_type=terms.TUBERCULOSIS,
        finding_category=terms.ABNORMAL,
        finding_sites=[sr.FindingSite(terms.LUNG)],
        algorithm_id=_algorithm(finding),
        # The first number has to carry the box: the adapter looks for it there alone.
        measurements=[
            sr.Measurement(name=terms.BOX_SCORE, value=percent, unit=terms.PERCENT, referenced_coordinates=[region])
        ],
    )
    return _with_comment(group, f"TB {percent:.2f} of 100, {NOTICE}")


def _region(box: BoxFinding, source: SourceFilm, bare: Dataset) -> sr.CoordinatesForMeasurement:
    return sr.CoordinatesForMeasurement(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=outline(box, source.size),
        source_image=sr.SourceImageForRegion.from_source_image(bare),
    )


def outline(box: BoxFinding, size: tuple[int, int]) -> np.ndarray:
    """The corners of a box as a closed line, clockwise from the upper left one.

    Args:
        box: on the stored pixels.
        size: (rows, columns) of the film.

    Returns:
        ``(5, 2)`` float64: column, row.

    Raises:
        ValueError: the box reaches beyond the film.
    """
    rows, columns = size
    if box.xmax > columns or box.ymax > rows:
        raise ValueError(f"{box} reaches beyond the film of {rows} rows and {columns} columns as it is stored.")
    left, top, right, bottom = box.xmin, box.ymin, box.xmax, box.ymax
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]], dtype=np.float64)


def _with_comment(
    group: sr.MeasurementsAndQualitativeEvaluations, text: str
) -> sr.MeasurementsAndQualitativeEvaluations:
    item = sr.TextContentItem(terms.COMMENT, text, sr.RelationshipTypeValues.CONTAINS)
    group[0].ContentSequence.append(item)
    return group
