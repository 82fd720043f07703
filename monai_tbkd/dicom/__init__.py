"""DICOM results: structured report, segmentation, secondary capture and presentation state of one film.

It needs highdicom: ``pip install monai_tbkd[dicom]``.
"""

from __future__ import annotations

from monai_tbkd.dicom.equipment import MANUFACTURER, MODEL_NAME, is_own_result
from monai_tbkd.dicom.film_finding import BoxFinding, FilmFinding
from monai_tbkd.dicom.result_error import DicomResultError
from monai_tbkd.dicom.source_film import SourceFilm
from monai_tbkd.dicom.structured_report import structured_report, write_structured_report

__all__ = [
    "MANUFACTURER",
    "MODEL_NAME",
    "BoxFinding",
    "DicomResultError",
    "FilmFinding",
    "SourceFilm",
    "is_own_result",
    "structured_report",
    "write_structured_report",
]
