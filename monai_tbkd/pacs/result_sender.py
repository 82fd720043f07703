"""Results of each film, back to where it came from."""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ignite.engine import Engine

from monai_tbkd.data import FilmError, FilmWarning, ReasonCode
from monai_tbkd.dicom import KINDS, DicomResultError, FilmFinding, SourceFilm, film_results, refusal_report
from monai_tbkd.handlers import PredictionWriter
from monai_tbkd.pacs.archive import Archive, FilmAddress
from monai_tbkd.pacs.archive_error import ArchiveError
from monai_tbkd.pacs.archive_films import address_of
from monai_tbkd.pacs.archive_table import PASSING
from monai_tbkd.pacs.search_progress import SearchProgress
from monai_tbkd.results.prediction_row import add_warning
from monai_tbkd.results.prediction_table import DONE, FAILED

logger = logging.getLogger(__name__)

REPORT = "sr"
"""The kind that tells of a film that it is done."""


class ResultSender(PredictionWriter):
    """Store the DICOM results of each film in its study, then write its row, then remove its file.

    The structured report goes last: a film that has one has all, so whatever ends the program in between, the film is
    done again and whole. UIDs are those of the film, the model and the kind of result, so what was stored before is not
    stored twice. The row's ``path`` is the film's below the archive's URL.

    Args:
        archive: gets the results.
        kinds: of results, some of `monai_tbkd.dicom.KINDS`; the report has to be one of them.
        voi: how DICOM gray values are read, for the secondary capture.
        longest_side: of the film in the secondary capture, in pixels.
        report_refused: store a report for each image that has no score, which says so and why.
        options: of `PredictionWriter`.

    Raises:
        ValueError: no such kind, or no report among them.
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
        """Is told of each film."""
        self.counts: Counter[str] = Counter()
        """Films of this run by status."""

    def write(self, engine: Engine) -> None:
        """Store and write the films of one batch."""
        for batch, output, row in self.rows(engine):
            path = Path(row["path"])
            address = address_of(batch)
            row["path"] = address.path
            row["detail"] = row["detail"] and row["detail"].replace(str(path), row["path"])
            try:
                if row["status"] == DONE:
                    self._store(path, address, output, row)
                elif self.report_refused and ReasonCode(row["reason"]) not in PASSING:
                    self._store_refusal(path, address, row)
            except ArchiveError:
                raise
            except FilmError as error:
                _fail(row, error.reason, str(error))
            except DicomResultError as error:
                _fail(row, ReasonCode.NOT_STORED, f"{row['path']}: {error}")
            except Exception as error:
                # A film that highdicom cannot be content with must not stop the others. Its words may quote the film.
                where = traceback.extract_tb(error.__traceback__)[-1]
                logger.error("%s: %s at %s:%d", row["path"], type(error).__name__, where.filename, where.lineno or 0)
                _fail(row, ReasonCode.INTERNAL, f"{row['path']}: {type(error).__name__}; see the log")
            if self.overlays and row["status"] == DONE:
                self._draw(batch, output, row)
            if self.reports is not None:
                self.reports.add_film(row, batch, output)
            self.table.replace(row)
            path.unlink(missing_ok=True)
            self.counts[row["status"]] += 1
            if self.progress is not None:
                self.progress.film(row["status"])

    def _store(self, path: Path, address: FilmAddress, output: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        source = SourceFilm.read(path)
        finding = replace(FilmFinding.from_row(row, output.get("tb_map")), identity=self.model_version)
        # All are made before one is stored, so that what cannot be made leaves nothing behind.
        results = film_results(source, finding, self.kinds, voi=self.voi, longest_side=self.longest_side)
        for result in results.values():
            self.archive.store(result, address)

    def _store_refusal(self, path: Path, address: FilmAddress, row: dict[str, Any]) -> None:
        try:
            report = refusal_report(SourceFilm.read(path), ReasonCode(row["reason"]), self.model_version)
        except DicomResultError as error:  # as of an image that was not fetched
            add_warning(row, FilmWarning.NO_DICOM_RESULT, f"no report: {error}")
        else:
            self.archive.store(report, address)


def report_last(kinds: Sequence[str]) -> list[str]:
    """The kinds of results in the order that they are stored in.

    Raises:
        ValueError: no such kind, or the report is not among them.

    Example:
        >>> report_last(["sr", "sc"])
        ['sc', 'sr']
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"results has {', '.join(unknown)}; expected some of {', '.join(KINDS)}.")
    if REPORT not in kinds:
        raise ValueError(f"results is {', '.join(kinds) or 'empty'}; {REPORT} is needed: it tells what is done.")
    return [kind for kind in KINDS if kind in kinds and kind != REPORT] + [REPORT]


def _fail(row: dict[str, Any], reason: ReasonCode, detail: str) -> None:
    """No numbers: a film whose results are not in the archive is not done."""
    numbers = ("score_0_100", "threshold_0_100", "threshold_id", "decision", "n_boxes", "boxes")
    row.update(dict.fromkeys(numbers), status=FAILED, reason=reason.value, detail=detail)
