"""Reports of annotators, taken in as labels of the images that they are about."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from monai_tbkd.data import ImageError
from monai_tbkd.data.readers.dicom_file import read_dicom_header
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom import Author, ReportHead, is_measurement_report, report_head
from monai_tbkd.label.image_ids import is_safe_id
from monai_tbkd.label.image_label import read_label
from monai_tbkd.label.image_sources import FolderSource
from monai_tbkd.label.label_folder import FINAL, LabelFolder

logger = logging.getLogger(__name__)

TAKEN_FROM = "taken_from_report"
"""In the note on a label: SOP instance UID of the report that it is."""
_SENT_AS = "report_sop_instance_uid"
FindImage = Callable[[str, str], tuple[str, Path] | None]
"""From the SOP instance UID of an image and the UID of its series to identifier and file (or folder) in the store."""


class ReportIntake:
    """Keeps the newest report of each image as its finished label.

    An image whose label was saved through the server is left alone, unless it is to be replaced; one whose label is an
    earlier report gets the newest. What cannot be understood changes nothing: an older report is not taken instead.

    Args:
        labels: of the store.
        find_image: in the store.
        replace: labels that were saved otherwise, too.

    Attributes:
        counts: of images by ``taken``, ``known`` and ``left_alone``, and of reports by ``no_label`` and ``fault``.
    """

    def __init__(self, labels: LabelFolder, find_image: FindImage, replace: bool = False) -> None:
        self.labels, self.find_image, self.replace, self.counts = labels, find_image, replace, Counter[str]()

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
                self._take(image, path, head)
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

    def _take(self, image_uid: str, path: Path, head: ReportHead) -> None:
        found = self.find_image(image_uid, head.images[image_uid])
        if found is None:
            raise ValueError("its image is not there")
        identifier, image = found
        info = self.labels.info(identifier, FINAL)
        if head.uid in (info.get(TAKEN_FROM), info.get(_SENT_AS)):
            self.counts["known"] += 1
        elif info and TAKEN_FROM not in info and not self.replace:
            self.counts["left_alone"] += 1
            logger.info("%s has a label that was saved otherwise, and is left alone", identifier)
        else:
            label = read_label(path, image)
            if label.left_out:
                logger.info("%s: left out of its report: %s", identifier, ", ".join(label.left_out))
            self.labels.save(identifier, path, FINAL, {"understood": label.summary, TAKEN_FROM: head.uid})
            self.counts["taken"] += 1


def images_of_folder(source: FolderSource) -> FindImage:
    """Find images of a folder by their SOP instance UIDs; all its headers are read once."""
    by_uid: dict[str, tuple[str, Path]] = {}
    for image in source.ids():
        path = source.path(image)
        if path is not None and (uid := _uid(path)):
            by_uid.setdefault(uid, (image, path))
    return lambda image_uid, series_uid: by_uid.get(image_uid)


def images_of_series(folder_of: Callable[[str], Path | None]) -> FindImage:
    """Find images that are kept in a folder for each series, as those of a PACS are."""

    def find(image_uid: str, series_uid: str) -> tuple[str, Path] | None:
        folder = folder_of(series_uid) if is_safe_id(series_uid) else None
        return None if folder is None or not folder.is_dir() else (series_uid, folder)

    return find


def _uid(path: Path) -> str:
    try:
        with quiet_pydicom():
            return str(read_dicom_header(path).get("SOPInstanceUID") or "")
    except ImageError:  # a picture, or damaged
        return ""
