"""The reports of an archive in which a person says something of tuberculosis."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pydicom import Dataset

from monai_tbkd.data import FilmError
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom import (
    LARGEST_REPORT,
    Author,
    ReportHead,
    is_about_tuberculosis,
    is_measurement_report,
    report_head,
)
from monai_tbkd.pacs.archive import Archive, FilmAddress
from monai_tbkd.pacs.archive_connection import ArchiveRefusalError
from monai_tbkd.pacs.film_search import StudyQuery

logger = logging.getLogger(__name__)

MODALITY = "SR"


class AnnotatorReports:
    """Look for reports of annotators.

    Wanted are reports of TID 1500 whose observer is a person, that were made from one of this program's or name
    tuberculosis or a class of films. Each instance is looked at by itself: OHIF puts an annotator's report into the
    series of the model's.

    Args:
        archive: to look into.
        query: which studies; keys of series are those of the reports'.
        without_words: want also those that do not say what their rectangles are around.

    Attributes:
        counts: ``studies`` with reports, ``reports`` in them, those that are ``wanted``, ``of_something_else``, since
            they say nothing of tuberculosis, or ``unreadable``.
    """

    def __init__(self, archive: Archive, query: StudyQuery, without_words: bool = False) -> None:
        self.archive, self.query, self.without_words = archive, query, without_words
        self.counts: Counter[str] = Counter()

    def studies(self) -> Iterator[list[FilmAddress]]:
        """Give the wanted reports, one study after the other."""
        for study in self.archive.studies((MODALITY,), self.query.study):
            self.counts["studies"] += 1
            try:
                found = self._of_study(study)
            except ArchiveRefusalError as refusal:
                self._leave_out(f"of the study {study}", str(refusal))
            else:
                yield found

    def fetch(self, reports: list[FilmAddress], folder: Path) -> list[Path]:
        """Fetch reports into a folder and give their files; what is not sent is counted as unreadable."""
        files = []
        for report in reports:
            path = folder / f"{report.instance}.dcm"
            try:
                self.archive.fetch(report, path, LARGEST_REPORT)
            except FilmError as error:
                self._leave_out(report.instance, str(error))
            else:
                files.append(path)
        return files

    def _of_study(self, study: str) -> list[FilmAddress]:
        asked = {each.uid for each in self.archive.series(study, self.query.series)}
        series = [each.uid for each in self.archive.series(study) if each.modality == MODALITY]
        headers = [(uid, header) for uid in series for header in self.archive.headers(study, uid)]
        self.counts["reports"] += len(headers)
        own: set[str] = set()
        of_people = []
        with quiet_pydicom():
            for uid, header in headers:
                head = self._head(header)
                if head is not None and head.ours:
                    own.add(head.uid)
                if head is not None and head.author is Author.ANNOTATOR and uid in asked:
                    of_people.append((FilmAddress(study, uid, head.uid), header))
            found = [
                address for address, header in of_people if self.without_words or is_about_tuberculosis(header, own)
            ]
        self.counts["wanted"] += len(found)
        self.counts["of_something_else"] += len(of_people) - len(found)
        return found

    def _head(self, header: Dataset) -> ReportHead | None:
        try:
            return report_head(header) if is_measurement_report(header) else None
        except Exception as error:  # whatever pydicom raises on an odd element
            self._leave_out(str(header.get("SOPInstanceUID")), f"odd metadata ({type(error).__name__})")
            return None

    def _leave_out(self, uid: str, why: str) -> None:
        self.counts["unreadable"] += 1
        logger.warning("The report %s is left out: %s", uid, why)
