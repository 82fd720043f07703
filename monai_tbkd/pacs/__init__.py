"""Fetch images from a PACS by DICOMweb and store results in it.

It needs highdicom: ``pip install monai_tbkd[pacs]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.pacs.annotator_reports import AnnotatorReports
    from monai_tbkd.pacs.archive import Archive, FilmAddress, FoundSeries
    from monai_tbkd.pacs.archive_connection import ArchiveError, ArchiveGoneError, ArchiveRefusalError
    from monai_tbkd.pacs.archive_films import ArchiveFilms
    from monai_tbkd.pacs.archive_run import ArchiveRun
    from monai_tbkd.pacs.archive_session import archive_session
    from monai_tbkd.pacs.film_search import FilmSearch, FoundFilm, StudyQuery, reported_films
    from monai_tbkd.pacs.result_sender import ArchiveTable, ResultSender

__all__ = [
    "AnnotatorReports",
    "Archive",
    "ArchiveError",
    "ArchiveFilms",
    "ArchiveGoneError",
    "ArchiveRefusalError",
    "ArchiveRun",
    "ArchiveTable",
    "FilmAddress",
    "FilmSearch",
    "FoundFilm",
    "FoundSeries",
    "ResultSender",
    "StudyQuery",
    "archive_session",
    "reported_films",
]

names_on_demand(__name__)
