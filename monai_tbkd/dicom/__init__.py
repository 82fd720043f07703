"""Write DICOM results (structured report, segmentation, secondary capture, presentation state) and read reports.

It needs highdicom: ``pip install monai_tbkd[dicom]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.dicom.box_report import (
        LARGEST_REPORT,
        Author,
        BoxReport,
        BoxReportError,
        ReportBox,
        ReportHead,
        box_report,
        is_about_tuberculosis,
        is_measurement_report,
        read_box_report,
        referenced_instances,
        report_head,
    )
    from monai_tbkd.dicom.image_finding import BoxFinding, ImageFinding
    from monai_tbkd.dicom.image_results import (
        KINDS,
        DicomResultWriter,
        image_results,
        log_place,
        result_series,
        write_image_results,
    )
    from monai_tbkd.dicom.presentation_state import presentation_state
    from monai_tbkd.dicom.result_object import DRAWN_BY_ANNOTATOR, is_refusal, is_result_of
    from monai_tbkd.dicom.secondary_capture import secondary_capture
    from monai_tbkd.dicom.segmentation import box_segmentation, map_segmentation
    from monai_tbkd.dicom.source_image import DicomResultError, SourceImage
    from monai_tbkd.dicom.structured_report import refusal_report, structured_report, write_structured_report

__all__ = [
    "DRAWN_BY_ANNOTATOR",
    "KINDS",
    "LARGEST_REPORT",
    "Author",
    "BoxFinding",
    "BoxReport",
    "BoxReportError",
    "DicomResultError",
    "DicomResultWriter",
    "ImageFinding",
    "ReportBox",
    "ReportHead",
    "SourceImage",
    "box_report",
    "box_segmentation",
    "image_results",
    "is_about_tuberculosis",
    "is_measurement_report",
    "is_refusal",
    "is_result_of",
    "log_place",
    "map_segmentation",
    "presentation_state",
    "read_box_report",
    "referenced_instances",
    "refusal_report",
    "report_head",
    "result_series",
    "secondary_capture",
    "structured_report",
    "write_image_results",
    "write_structured_report",
]

names_on_demand(__name__)
