"""DICOM results: structured report, segmentation, secondary capture and presentation state of one film.

It needs highdicom: ``pip install monai_tbkd[dicom]``.
"""

from __future__ import annotations

from monai_tbkd.dicom.equipment import MANUFACTURER, MODEL_NAME, is_own_result, is_result_of
from monai_tbkd.dicom.film_finding import BoxFinding, FilmFinding
from monai_tbkd.dicom.film_results import KINDS, film_results, write_film_results
from monai_tbkd.dicom.presentation_state import presentation_state
from monai_tbkd.dicom.result_error import DicomResultError
from monai_tbkd.dicom.result_writer import DicomResultWriter
from monai_tbkd.dicom.secondary_capture import secondary_capture
from monai_tbkd.dicom.segmentation import box_segmentation, map_segmentation
from monai_tbkd.dicom.source_film import SourceFilm
from monai_tbkd.dicom.structured_report import structured_report, write_structured_report

__all__ = [
    "KINDS",
    "MANUFACTURER",
    "MODEL_NAME",
    "BoxFinding",
    "DicomResultError",
    "DicomResultWriter",
    "FilmFinding",
    "SourceFilm",
    "box_segmentation",
    "film_results",
    "is_own_result",
    "is_result_of",
    "map_segmentation",
    "presentation_state",
    "secondary_capture",
    "structured_report",
    "write_film_results",
    "write_structured_report",
]
