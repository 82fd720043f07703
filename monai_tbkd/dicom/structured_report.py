"""Structured reports of findings, which OHIF shows as rectangles, and of refusals."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import highdicom as hd
from highdicom import sr
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from monai_tbkd.data import ReasonCode
from monai_tbkd.data.files.own_results import MANUFACTURER, MODEL_NAME
from monai_tbkd.dicom import coded_terms as terms
from monai_tbkd.dicom.image_finding import BoxFinding, ImageFinding
from monai_tbkd.dicom.result_object import ALGORITHM, dicom_result, named_uid, result_uid, series_of, write_object
from monai_tbkd.dicom.source_image import SourceImage
from monai_tbkd.transforms import NOTICE

# makes Cornerstone3D's adapter, and so OHIF, show a group as an editable rectangle
RECTANGLE = "Cornerstone3DTools@^0.1.0:RectangleROI"
BOX_COMMENT = re.compile(rf"TB [\d.]+ of 100, {re.escape(NOTICE)}")
"""Comment of `structured_report` on a box; a viewer sends it back with the box."""
_CONTAINS = sr.RelationshipTypeValues.CONTAINS


@dicom_result
def structured_report(source: SourceImage, finding: ImageFinding) -> sr.ComprehensiveSR:
    """Make a Comprehensive SR (PS3.3, A.35.3) of TID 1500: a measurement group for the image, and one for each box.

    The image's group has its score, the threshold, the decision and a comment; a box's has its score, whose number
    carries the box as a closed polyline, and a comment, which OHIF shows beside the rectangle. Scores are percent.
    Coordinates are those of the stored pixel matrix, 0 at the image's edge (PS3.3, C.18.6.1.1).

    Example:
        >>> report = structured_report(SourceImage.read("image.dcm"), ImageFinding(0.2))  # doctest: +SKIP
    """
    groups = [_image_group(source, finding)]
    groups += [_box_group(source, finding, number, box) for number, box in enumerate(finding.boxes, start=1)]
    content = sr.MeasurementReport(
        observation_context=_observer(finding),
        procedure_reported=terms.CHEST_RADIOGRAPHY,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    return _report(source, content, series_of(source, finding, "SR"))


def write_structured_report(path: str | Path, source: SourceImage | str | Path, finding: ImageFinding) -> Dataset:
    """Make the report of `structured_report`, of an image or its file, and write it, whole or not at all."""
    report = structured_report(source if isinstance(source, SourceImage) else SourceImage.read(source), finding)
    write_object(report, path)
    return report


@dicom_result
def refusal_report(source: SourceImage, reason: ReasonCode, model_version: str) -> sr.ComprehensiveSR:
    """Make a Comprehensive SR that says why an image was not analysed.

    So a missing report is not taken for a negative result. It has no score and no box, and is not of TID 1500.
    """
    # for identifiers and device; its score is not used
    device = ImageFinding(0.0, model_version=model_version, identity=model_version)
    why = Code(reason.value, terms.OWN_SCHEME.CodingSchemeDesignator, reason.meaning[:64])
    words = f"Not analysed: {reason.meaning} ({reason}). This says nothing about tuberculosis. {NOTICE.capitalize()}."
    root = sr.ContainerContentItem(terms.REFUSAL)
    root.ContentSequence = sr.ContentSequence()
    root.ContentSequence.extend(sr.LanguageOfContentItemAndDescendants(terms.ENGLISH))
    root.ContentSequence.extend(_observer(device))
    root.ContentSequence.extend(
        [
            sr.ImageContentItem(terms.SOURCE, source.header.SOPClassUID, source.uid, relationship_type=_CONTAINS),
            sr.CodeContentItem(terms.DECISION, terms.NOT_ANALYSED, _CONTAINS),
            sr.CodeContentItem(terms.REASON, why, _CONTAINS),
            sr.TextContentItem(terms.COMMENT, words, _CONTAINS),
        ]
    )
    return _report(source, root, series_of(source, device, "refusal", f"SR {reason}"))


def _report(source: SourceImage, content: Any, series: dict[str, Any]) -> sr.ComprehensiveSR:
    return sr.ComprehensiveSR(
        evidence=[source.bare],
        content=content,
        is_complete=True,
        coding_schemes=[terms.OWN_SCHEME],
        content_qualification=hd.ContentQualificationValues.RESEARCH,
        **series,
    )


def _observer(finding: ImageFinding) -> sr.ObservationContext:
    """Name this program with its model as the observing device."""
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=named_uid("device", finding.model_version),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=MODEL_NAME,
    )
    return sr.ObservationContext(observer_device_context=sr.ObserverContext(codes.DCM.Device, device))


def _image_group(source: SourceImage, finding: ImageFinding) -> sr.MeasurementsAndQualitativeEvaluations:
    rows, columns = source.size
    # OHIF 3.13 fails on a report in which a group has no coordinates, so the score has the outline of the image. No
    # tool of OHIF's handles this group, so it is not shown as a rectangle.
    whole = BoxFinding(0, 0, columns, rows, finding.score)
    numbers = [_percent(terms.IMAGE_SCORE, finding.percent, _region(whole, source))]
    said = []
    if finding.threshold is not None:
        numbers.append(_percent(terms.THRESHOLD, round(100 * finding.threshold, 2)))
        found = finding.score >= finding.threshold
        said = [
            sr.QualitativeEvaluation(terms.SUMMARY, terms.WITH_FINDINGS if found else terms.WITHOUT_FINDINGS),
            sr.QualitativeEvaluation(terms.DECISION, terms.TB_SUGGESTIVE if found else terms.NOT_TB_SUGGESTIVE),
        ]
    warned = f" Warnings: {finding.warnings}." if finding.warnings else ""
    return _group(
        source,
        finding,
        sr.TrackingIdentifier(result_uid(source, finding, "SR", "image"), "whole image"),
        f"{finding.headline}.{warned} {finding.notice.capitalize()}.",
        measurements=numbers,
        qualitative_evaluations=said or None,
    )


def _box_group(
    source: SourceImage, finding: ImageFinding, number: int, box: BoxFinding
) -> sr.MeasurementsAndQualitativeEvaluations:
    percent = round(100 * box.score, 2)
    return _group(
        source,
        finding,
        sr.TrackingIdentifier(result_uid(source, finding, "SR", f"box {number}"), f"{RECTANGLE}:box {number}"),
        f"TB {percent:.2f} of 100, {NOTICE}",
        finding_type=terms.TUBERCULOSIS,
        finding_category=terms.ABNORMAL,
        # the adapter reads the box from the first number only
        measurements=[_percent(terms.BOX_SCORE, percent, _region(box, source))],
    )


def _group(
    source: SourceImage, finding: ImageFinding, tracking: sr.TrackingIdentifier, comment: str, **content: Any
) -> sr.MeasurementsAndQualitativeEvaluations:
    parameters = []
    if finding.threshold is not None:
        origin = f" ({finding.threshold_id})" if finding.threshold_id else ""
        parameters.append(f"score threshold {100 * finding.threshold:.2f} of 100{origin}")
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        source_images=[sr.SourceImageForMeasurementGroup.from_source_image(source.bare)],
        finding_sites=[sr.FindingSite(terms.LUNG)],
        # no family: readers would take its code for another finding of the image
        algorithm_id=sr.AlgorithmIdentification(
            name=ALGORITHM,
            version=finding.model_version,
            parameters=parameters or None,
            manufacturer=MANUFACTURER,
        ),
        **content,
    )
    group[0].ContentSequence.append(sr.TextContentItem(terms.COMMENT, comment, _CONTAINS))
    return group


def _percent(name: Code, value: float, *regions: sr.CoordinatesForMeasurement) -> sr.Measurement:
    return sr.Measurement(name=name, value=value, unit=terms.PERCENT, referenced_coordinates=regions or None)


def _region(box: BoxFinding, source: SourceImage) -> sr.CoordinatesForMeasurement:
    return sr.CoordinatesForMeasurement(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=box.outline(source.size),
        source_image=sr.SourceImageForRegion.from_source_image(source.bare),
    )
