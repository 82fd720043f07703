"""Fetch images from a PACS by DICOMweb and store results in it.

It needs highdicom: ``pip install monai_tbkd[pacs]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.pacs.annotator_reports import AnnotatorReports
    from monai_tbkd.pacs.archive import Archive, FoundSeries, ImageAddress
    from monai_tbkd.pacs.archive_connection import ArchiveError, ArchiveGoneError, ArchiveRefusalError
    from monai_tbkd.pacs.archive_images import ArchiveImages
    from monai_tbkd.pacs.archive_run import ArchiveRun
    from monai_tbkd.pacs.archive_session import archive_session
    from monai_tbkd.pacs.image_search import FoundImage, ImageSearch, StudyQuery, reported_images
    from monai_tbkd.pacs.result_sender import ArchiveTable, ResultSender

__all__ = [
    "AnnotatorReports",
    "Archive",
    "ArchiveError",
    "ArchiveGoneError",
    "ArchiveImages",
    "ArchiveRefusalError",
    "ArchiveRun",
    "ArchiveTable",
    "FoundImage",
    "FoundSeries",
    "ImageAddress",
    "ImageSearch",
    "ResultSender",
    "StudyQuery",
    "archive_session",
    "reported_images",
]

names_on_demand(__name__)
