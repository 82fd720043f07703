"""A row for each film of an inference: score and boxes, or the reason why not."""

from __future__ import annotations

import csv
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from ignite.engine import Engine, Events
from PIL import Image

from monai_tbkd.data.whole_file import write_json
from monai_tbkd.transforms import NOTICE, DrawOverlay

logger = logging.getLogger(__name__)

COLUMNS = (
    "name",
    "path",
    "status",
    "reason",
    "detail",
    "score_0_100",
    "threshold_0_100",
    "threshold_id",
    "decision",
    "n_boxes",
    "boxes",
    "model_version",
    "seconds",
)
TB, NO_TB = "TB suggestive", "not TB suggestive"


class PredictionWriter:
    """Write ``predictions.csv`` film by film, ``predictions.json`` at the end, and an overlay of each film.

    A refused film has its reason and no score (empty in CSV, null in JSON). Boxes are in the original film's pixels:
    xmin, ymin, xmax, ymax, score; x = column. No patient data is written: films go by their file names.

    Args:
        output_dir: gets the files.
        score_threshold: films at or above it (0-1) are called TB suggestive.
        threshold_id: where the threshold comes from.
        model_version: what made the predictions.
        overlays: draw ``overlays/<film>.png``.
    """

    def __init__(
        self,
        output_dir: str | Path,
        score_threshold: float,
        threshold_id: str = "config",
        model_version: str = "",
        overlays: bool = True,
    ) -> None:
        self.folder = Path(output_dir)
        self.score_threshold, self.threshold_id = float(score_threshold), threshold_id
        self.model_version, self.overlays = model_version, overlays
        self._overlay = DrawOverlay()
        self.rows: list[dict[str, Any]] = []
        self._file: TextIO | None = None
        self._clock = 0.0
        self._names: set[str] = set()

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.write)
        engine.add_event_handler(Events.COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.abort)

    def start(self) -> None:
        """Open the table."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # Nothing of an earlier run may be taken for this one's.
        for old in (self.folder / "predictions.json", *(self.folder / "overlays").glob("*.png")):
            old.unlink(missing_ok=True)
        self.rows, self._names = [], set()
        self._file = open(self.folder / "predictions.csv", "w", newline="", encoding="utf-8")  # noqa: SIM115
        csv.writer(self._file).writerow(COLUMNS)
        self._clock = time.perf_counter()

    def write(self, engine: Engine) -> None:
        """Add the films of one batch."""
        films = list(zip(engine.state.batch, engine.state.output))
        now = time.perf_counter()
        seconds, self._clock = (now - self._clock) / max(len(films), 1), now
        for batch, output in films:
            row = self._row(batch, output, seconds)
            self.rows.append(row)
            if self._file is not None:
                csv.writer(self._file).writerow([_cell(row[c]) for c in COLUMNS])
            if self.overlays and row["status"] == "done":
                self._draw(batch, output, row)
        if self._file is not None:
            self._file.flush()

    def finish(self) -> None:
        """Close the table and write the same as JSON."""
        self._close()
        content = {"notice": NOTICE, "model_version": self.model_version, "films": self.rows}
        write_json(self.folder / "predictions.json", content)
        refused = sum(r["status"] == "refused" for r in self.rows)
        found = sum(r["decision"] == TB for r in self.rows)
        logger.info(
            "%d films: %d %s, %d refused. Written to %s (%s).", len(self.rows), found, TB, refused, self.folder, NOTICE
        )

    def abort(self, error: BaseException) -> None:
        """Keep what is written, and let the error through."""
        self._close()
        raise error

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _row(self, batch: Mapping[str, Any], output: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        refused = bool(batch["reason"])
        row.update(
            name=batch["name"],
            path=str(batch["image"].meta["filename_or_obj"]),
            status="refused" if refused else "done",
            reason=batch["reason"] or None,
            detail=batch["detail"] or None,
            model_version=self.model_version,
            seconds=round(seconds, 3),
        )
        if refused:
            return row
        score = float(output["score"])
        boxes = [
            [round(v, 2) for v in box] + [round(s, 4)]
            for box, s in zip(output["pred_boxes"].tolist(), output["pred_box_scores"].tolist())
        ]
        row.update(
            score_0_100=round(100 * score, 2),
            threshold_0_100=round(100 * self.score_threshold, 2),
            threshold_id=self.threshold_id,
            decision=TB if score >= self.score_threshold else NO_TB,
            n_boxes=len(boxes),
            boxes=boxes,
        )
        return row

    def _draw(self, batch: Mapping[str, Any], output: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        caption = f"score {row['score_0_100']:.0f} (threshold {row['threshold_0_100']:.0f}): {row['decision']}"
        picture = self._overlay(
            batch["image"],
            output["tb_map"],
            output["pred_boxes"],
            output["pred_box_scores"],
            batch["original_size"],
            str(row["name"]),
            caption,
        )
        target = self.folder / "overlays" / self._file_name(row["name"])
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(target)

    def _file_name(self, name: str) -> str:
        stem = str(PurePosixPath(name).with_suffix("")).replace("/", "_")
        unique, number = stem, 1
        while unique in self._names:  # a/b_c.png and a_b/c.png would meet
            number += 1
            unique = f"{stem}_{number}"
        self._names.add(unique)
        return unique + ".png"


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, list) else value
