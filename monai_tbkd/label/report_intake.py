"""Reports of annotators, taken in as labels of the images that they are about."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from monai_tbkd.data.readers.dicom_file import read_dicom_header
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom import Author, ReportHead, is_measurement_report, report_head
from monai_tbkd.label.image_label import read_label
from monai_tbkd.label.image_sources import FolderSource, PacsSource
from monai_tbkd.label.label_folder import FINAL, LabelFolder

logger = logging.getLogger(__name__)

TAKEN_FROM = "taken_from_report"
"""In the note on a label: SOP instance UID of the report that it is."""


class ReportIntake:
    """Keeps the newest report of each image as its finished label.

    An image whose label was saved through the server is left alone, unless it is to be replaced; one whose label is an
    earlier report gets the newest. What cannot be understood changes nothing: an older report is not taken instead.

    Attributes:
        counts: of images by ``taken``, ``known`` and ``left_alone``, and of reports by ``no_label`` and ``fault``.
    """

    def __init__(self, labels: LabelFolder, source: FolderSource | PacsSource, replace: bool = False) -> None:
        self.labels, self.source, self.replace, self.counts = labels, source, replace, Counter[str]()

    def take(self, reports: Iterable[Path]) -> None:
        """Take in report files, of any program and kind; of several of an image the newest counts."""
        newest: dict[str, tuple[ReportHead, Path]] = {}
        for path in reports:
            if (head := self._head(path)) is None:
                continue
            for image in head.images:
                known = newest[image][0] if image in newest else None
                if known is None or (head.written, head.uid) > (known.written, known.uid):
                    newest[image] = head, path
        for image, (head, path) in newest.items():
            try:
                self.counts[self._take(image, path, head)] += 1
            except (ValueError, OSError) as error:
                self.counts["fault"] += 1
                logger.warning("The report on image %s is left out: %s", image, error)

    def _head(self, path: Path) -> ReportHead | None:
        """The head of an annotator's report; None for others."""
        try:
            with quiet_pydicom():
                report = read_dicom_header(path)
                head = report_head(report) if is_measurement_report(report) else None
        except Exception as error:  # whatever pydicom raises on a damaged element
            self.counts["fault"] += 1
            logger.warning("%s is left out: it cannot be read (%s)", path.name, type(error).__name__)
            return None
        if head is None or head.author is not Author.ANNOTATOR:
            self.counts["no_label"] += 1
            return None
        return head

    def _take(self, image_uid: str, path: Path, head: ReportHead) -> str:
        found = self.source.find(image_uid, head.images[image_uid])
        if found is None:
            raise ValueError("its image is not there")
        identifier, image = found
        info = self.labels.info(identifier, FINAL)
        if head.uid in (info.get(TAKEN_FROM), info.get("report_sop_instance_uid")):
            return "known"
        if info and TAKEN_FROM not in info and not self.replace:
            logger.info("%s has a label that was saved otherwise, and is left alone", identifier)
            return "left_alone"
        label = read_label(path, image)
        if label.left_out:
            logger.info("%s: left out of its report: %s", identifier, ", ".join(label.left_out))
        self.labels.save(identifier, path, FINAL, {"understood": label.summary, TAKEN_FROM: head.uid})
        return "taken"
