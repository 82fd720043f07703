"""Find the reports of annotators about tuberculosis in an archive."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pydicom import Dataset

from monai_tbkd.data import ImageError
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom import (
    LARGEST_REPORT,
    Author,
    ReportHead,
    is_about_tuberculosis,
    is_measurement_report,
    report_head,
)
from monai_tbkd.pacs.archive import Archive, ImageAddress
from monai_tbkd.pacs.archive_connection import ArchiveRefusalError
from monai_tbkd.pacs.image_search import StudyQuery

logger = logging.getLogger(__name__)

MODALITY = "SR"


class AnnotatorReports:
    """Search an archive for reports of annotators.

    These are reports of TID 1500 whose observer is a person, and that were made from a report of this program or name
    tuberculosis or a class of images. Each instance is checked by itself: OHIF puts an annotator's report into the
    series of the model's report.

    Args:
        archive: to search.
        query: which studies; keys of series are those of the reports'.
        without_words: include reports that do not name what their rectangles enclose.

    Attributes:
        counts: ``studies`` with reports, ``reports`` in them, those that are ``wanted``, ``of_something_else``, because
            they do not name tuberculosis, or ``unreadable``.
    """

    def __init__(self, archive: Archive, query: StudyQuery, without_words: bool = False) -> None:
        self.archive, self.query, self.without_words = archive, query, without_words
        self.counts: Counter[str] = Counter()

    def studies(self) -> Iterator[list[ImageAddress]]:
        """Yield the wanted reports of each study."""
        for study in self.archive.studies((MODALITY,), self.query.study):
            self.counts["studies"] += 1
            try:
                found = self._of_study(study)
            except ArchiveRefusalError as refusal:
                self._leave_out(f"of the study {study}", str(refusal))
            else:
                yield found

    def fetch(self, reports: list[ImageAddress], folder: Path) -> list[Path]:
        """Fetch reports into a folder and return their files; failures are counted as unreadable."""
        files = []
        for report in reports:
            path = folder / f"{report.instance}.dcm"
            try:
                self.archive.fetch(report, path, LARGEST_REPORT)
            except ImageError as error:
                self._leave_out(report.instance, str(error))
            else:
                files.append(path)
        return files

    def _of_study(self, study: str) -> list[ImageAddress]:
        series = self.archive.series(study)
        asked = {each.uid for each in (self.archive.series(study, self.query.series) if self.query.series else series)}
        reports = [each.uid for each in series if each.modality == MODALITY]
        headers = [(uid, header) for uid in reports for header in self.archive.headers(study, uid)]
        self.counts["reports"] += len(headers)
        with quiet_pydicom():
            heads = [(uid, header, head) for uid, header in headers if (head := self._head(header)) is not None]
            own = {head.uid for _, _, head in heads if head.ours}
            of_people = [each for each in heads if each[0] in asked and each[2].author is Author.ANNOTATOR]
            found = [
                ImageAddress(study, uid, head.uid)
                for uid, header, head in of_people
                if self.without_words or is_about_tuberculosis(header, own)
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
