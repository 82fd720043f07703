"""A row for each image of an inference: score and boxes, or the reason why there are none."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ignite.engine import Engine, Events

from monai_tbkd.data import ImageWarning
from monai_tbkd.data.files.own_results import save_marked
from monai_tbkd.results.prediction_row import add_warning, prediction_overlay, prediction_row
from monai_tbkd.results.prediction_table import (
    DONE,
    OVERLAY_FORMATS,
    PredictionTable,
    known_overlay_format,
    results_written,
)
from monai_tbkd.transforms import DrawOverlay, notice_of

if TYPE_CHECKING:
    from monai_tbkd.dicom import DicomResultWriter
    from monai_tbkd.report import ImageReports

_LONGEST_NAME = 200


class PredictionWriter:
    """Write a row, an overlay and a page for each image as soon as it has been through the network.

    An image without a score has its reason and no number (empty in CSV, null in JSON). Boxes are in the pixels of the
    original image as stored: xmin, ymin, xmax, ymax, score; x = column. No patient data is written: images go by their
    file names.

    Args:
        table: gets the rows; already started.
        score_threshold: images at or above it (0-1) are called TB suggestive.
        threshold_id: where the threshold comes from.
        model_version: of the model.
        overlays: draw ``overlays/<name>.png`` (or ``.jpg``), upright, of the batch's ``whole_image`` (gray values,
            ``(1, H, W)`` uint8), or, without one, its ``image``.
        input_kind: of the images that the threshold holds for (``picture``, ``dicom``, ``converted``; ``mixed``: all).
            An image of another kind gets its score, a warning, and neither a decision nor boxes.
        dicom: writes DICOM results of the images that were scored; an image without any gets a warning and the reason.
        reports: makes a page of each image.
        overlay_format: ``png``, or ``jpg``, which is a fraction of the work and of the size.
    """

    def __init__(
        self,
        table: PredictionTable,
        score_threshold: float,
        threshold_id: str = "config",
        model_version: str = "",
        overlays: bool = True,
        input_kind: str = "mixed",
        dicom: DicomResultWriter | None = None,
        reports: ImageReports | None = None,
        overlay_format: str = "png",
    ) -> None:
        self.table = table
        self.score_threshold, self.threshold_id = float(score_threshold), threshold_id
        self.model_version, self.overlays, self.input_kind = model_version, overlays, input_kind
        self.dicom, self.reports = dicom, reports
        self.overlay_format = known_overlay_format(overlay_format)
        self._overlay = DrawOverlay(notice=notice_of(model_version))
        self._clock = 0.0
        # overlays of rows that are there already keep their names
        self._names: set[str] = set()
        for row in table.rows:
            if row["status"] == DONE:
                self._file_name(str(row["name"]))

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.write)
        engine.add_event_handler(Events.COMPLETED, self.table.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.abort)

    def start(self) -> None:
        """Start the clock."""
        if self.dicom is not None:
            self.dicom.start()
        self._clock = time.perf_counter()

    def write(self, engine: Engine) -> None:
        """Add the images of one batch."""
        for batch, output, row in self.rows(engine):
            with results_written(self.table.folder):
                # picture and page first, so that an image with a row has them
                if self.overlays and row["status"] == DONE:
                    self._draw(batch, output, row)
                if self.dicom is not None and row["status"] == DONE:
                    note = self.dicom.write(str(batch["image"].meta["filename_or_obj"]), row, output["tb_map"])
                    if note:
                        add_warning(row, ImageWarning.NO_DICOM_RESULT, note)
                if self.reports is not None:
                    self.reports.add_image(row, batch, output)
                self.table.append(row)

    def rows(self, engine: Engine) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], dict[str, Any]]]:
        """The images of one batch: each as it went into the network, what came out, and its row, not yet written."""
        images = list(zip(engine.state.batch, engine.state.output))
        now = time.perf_counter()
        seconds, self._clock = (now - self._clock) / max(len(images), 1), now
        for batch, output in images:
            row = prediction_row(
                batch, output, self.score_threshold, self.threshold_id, self.input_kind, self.model_version
            )
            yield batch, output, {**row, "seconds": round(seconds, 3)}

    def abort(self, error: BaseException) -> None:
        """Keep what is written, and raise the error again."""
        self.table.break_off()
        raise error

    def _draw(self, batch: Mapping[str, Any], output: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        drawn = prediction_overlay(batch, output, row, self._overlay)
        target = self.table.folder / "overlays" / self._file_name(row["name"])
        target.parent.mkdir(parents=True, exist_ok=True)
        kind = "PNG" if self.overlay_format == "png" else "JPEG"
        save_marked(drawn, target, kind, **OVERLAY_FORMATS[self.overlay_format])

    def _file_name(self, name: str) -> str:
        # a.dcm and a.png are two images
        image = PurePosixPath(name)
        stem = str(image.with_suffix("") if image.suffix.lower() == ".png" else image).replace("/", "_")
        if len(stem.encode()) > _LONGEST_NAME:  # deep folders; file systems end at 255 bytes
            stem = f"{stem[: _LONGEST_NAME // 4]}_{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        unique, number = stem, 1
        while unique in self._names:  # a/b_c.png and a_b/c.png would meet
            number += 1
            unique = f"{stem}_{number}"
        self._names.add(unique)
        return f"{unique}.{self.overlay_format}"
