"""Store the results of each image in the archive, and keep the table of processed images."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ignite.engine import Engine
from tqdm import tqdm

from monai_tbkd.data import ImageError, ImageWarning, ReasonCode
from monai_tbkd.dicom import (
    KINDS,
    DicomResultError,
    ImageFinding,
    SourceImage,
    image_results,
    log_place,
    refusal_report,
)
from monai_tbkd.handlers import PredictionWriter
from monai_tbkd.pacs.archive import Archive, ImageAddress
from monai_tbkd.pacs.archive_connection import ArchiveError
from monai_tbkd.pacs.archive_images import address_of
from monai_tbkd.results import PredictionTable
from monai_tbkd.results.prediction_row import add_warning
from monai_tbkd.results.prediction_table import DONE, FAILED

logger = logging.getLogger(__name__)

REPORT = "sr"
"""The kind that marks an image as done."""
PASSING = {ReasonCode.NOT_READABLE, ReasonCode.NOT_FETCHED, ReasonCode.NOT_STORED, ReasonCode.INTERNAL}
"""Failures that may pass. A damaged image stays damaged: its UID is of this content."""
_NUMBERS = ("score_0_100", "threshold_0_100", "threshold_id", "decision", "n_boxes", "boxes")


class ArchiveTable(PredictionTable):
    """A `PredictionTable` that keeps the rows of damaged images and allows other kinds of results on resume."""

    def is_tried_again(self, row: Mapping[str, Any]) -> bool:
        """Whether the image of a row is fetched again."""
        return super().is_tried_again(row) and ReasonCode(row["reason"]) in PASSING

    def differing(self, there: Mapping[str, Any]) -> list[str]:
        """List the differing settings that change scores."""
        return [key for key in super().differing(there) if key != "dicom_output"]


class SearchProgress:
    """Show searched studies, remaining time and images by status.

    Args:
        total: studies.
        bar: show a bar on standard error; otherwise a line goes to the log every minute.
    """

    def __init__(self, total: int, bar: bool = True) -> None:
        self.total, self.done, self.images = total, 0, Counter[str]()
        self._bar = tqdm(total=total, unit="study", desc="studies", dynamic_ncols=True, disable=not bar)
        self._last = time.perf_counter()

    def study(self) -> None:
        """Count a searched study."""
        self.done += 1
        self._bar.update(1)
        self._tell()

    def image(self, status: str) -> None:
        """Count an image by its status."""
        self.images[status] += 1
        self._bar.set_postfix(dict(self.images), refresh=True)
        self._tell()

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()

    def _tell(self) -> None:
        if self._bar.disable and time.perf_counter() - self._last >= 60:
            self._last = time.perf_counter()
            images = ", ".join(f"{number} {status}" for status, number in self.images.items()) or "none yet"
            logger.info("%d of %d studies; images: %s.", self.done, self.total, images)


class ResultSender(PredictionWriter):
    """Store the DICOM results of each image in its study, then write its row, then remove its file.

    The structured report is stored last, so an image that has one has all results, and an interrupted image is
    processed again. UIDs are made from image, model and kind, so nothing is stored twice. The row's ``path`` is
    the image's below the archive's URL.

    Args:
        archive: to store in.
        kinds: some of `monai_tbkd.dicom.KINDS`, including the report.
        voi: how DICOM gray values are read, for the secondary capture.
        longest_side: of the image in the secondary capture, in pixels.
        report_refused: store a report with the reason for each image that has no score.
        options: of `PredictionWriter`.
    """

    def __init__(
        self,
        archive: Archive,
        kinds: Sequence[str],
        voi: str = "first",
        longest_side: int = 1536,
        report_refused: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.archive, self.kinds = archive, report_last(kinds)
        self.voi, self.longest_side, self.report_refused = voi, int(longest_side), report_refused
        self.progress: SearchProgress | None = None

    def write(self, engine: Engine) -> None:
        """Store and write the images of one batch."""
        for batch, output, row in self.rows(engine):
            path, address = Path(row["path"]), address_of(batch)
            row["path"] = address.path
            row["detail"] = row["detail"] and row["detail"].replace(str(path), row["path"])
            try:
                if row["status"] == DONE:
                    self._store(path, address, output, row)
                elif self.report_refused and ReasonCode(row["reason"]) not in PASSING:
                    self._store_refusal(path, address, row)
            except ArchiveError:
                raise
            except Exception as error:
                # One image that highdicom rejects must not stop the others. Its message may quote the image.
                reason, detail = ReasonCode.INTERNAL, f"{row['path']}: {type(error).__name__}; see the log"
                if isinstance(error, ImageError):
                    reason, detail = error.reason, str(error)
                elif isinstance(error, DicomResultError):
                    reason, detail = ReasonCode.NOT_STORED, f"{row['path']}: {error}"
                else:
                    log_place(logger, row["path"], error)
                # no numbers for an image whose results are not in the archive
                row.update(dict.fromkeys(_NUMBERS), status=FAILED, reason=reason.value, detail=detail)
            if self.overlays and row["status"] == DONE:
                self._draw(batch, output, row)
            if self.reports is not None:
                self.reports.add_image(row, batch, output)
            self.table.replace(row)
            path.unlink(missing_ok=True)
            if self.progress is not None:
                self.progress.image(row["status"])

    def _store(self, path: Path, address: ImageAddress, output: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        source = SourceImage.read(path)
        finding = replace(ImageFinding.from_row(row, output.get("tb_map")), identity=self.model_version)
        # all are made before one is stored, so that a failure stores none
        for result in image_results(source, finding, self.kinds, self.voi, self.longest_side).values():
            self.archive.store(result, address)

    def _store_refusal(self, path: Path, address: ImageAddress, row: dict[str, Any]) -> None:
        try:
            report = refusal_report(SourceImage.read(path), ReasonCode(row["reason"]), self.model_version)
        except DicomResultError as error:  # such as an image that was not fetched
            add_warning(row, ImageWarning.NO_DICOM_RESULT, f"no report: {error}")
        else:
            self.archive.store(report, address)


def report_last(kinds: Sequence[str]) -> list[str]:
    """Sort the kinds of results in the order of storing; ValueError for an unknown kind, and without the report."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"results has {', '.join(unknown)}; expected some of {', '.join(KINDS)}.")
    if REPORT not in kinds:
        raise ValueError(f"results is {', '.join(kinds) or 'empty'}; {REPORT} is needed: it tells what is done.")
    return [kind for kind in KINDS if kind in kinds and kind != REPORT] + [REPORT]
