"""``predictions.csv`` and ``predictions.json``, complete after every row and resumable."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from monai_tbkd.data.files.atomic_write import atomic_write
from monai_tbkd.data.files.csv_cells import csv_line, read_cell
from monai_tbkd.data.readers.reason_codes import ReasonCode
from monai_tbkd.transforms import notice_of

logger = logging.getLogger(__name__)

_READERS: dict[str, Callable[[str], Any]] = {
    "name": str, "path": str, "status": str, "reason": str, "detail": str, "warnings": str, "source_format": str,
    "height": int, "width": int, "pixel_steps": str, "score_0_100": float, "threshold_0_100": float,
    "threshold_id": str, "decision": str, "n_boxes": int, "boxes": json.loads, "model_version": str, "seconds": float,
    "sop_instance_uid": str,
}  # fmt: skip
COLUMNS = tuple(_READERS)
TB, NO_TB = "TB suggestive", "not TB suggestive"
DONE, REFUSED, FAILED = "done", "refused", "failed"
OVERVIEW, IMAGE_REPORTS = "predictions.html", "image_reports"
THUMBNAILS = f"{IMAGE_REPORTS}/thumbnails"
OVERLAY_FORMATS: dict[str, dict[str, Any]] = {
    # a third of the time of Pillow's default (6), files a sixth larger
    "png": {"compress_level": 1},
    # text and box lines keep their colors
    "jpg": {"quality": 90, "subsampling": 0},
}
"""Options of Pillow's writer by file suffix."""
OVERLAYS = tuple(f"overlays/*.{suffix}" for suffix in OVERLAY_FORMATS)
_BROKEN_OFF = (
    "The run ended early, so images may be missing from this page. The same command with --resume true goes on with it."
)
_ROWS, _TAIL = ',\n  "images": [', b"\n]\n}\n"


def known_overlay_format(name: str) -> str:
    """Return the name of an overlay format, or raise ValueError if it is unknown."""
    if name not in OVERLAY_FORMATS:
        raise ValueError(f"overlay_format is {name!r}; expected one of {', '.join(OVERLAY_FORMATS)}.")
    return name


class PredictionTable:
    """``predictions.csv`` and ``predictions.json`` with one row per image.

    Both files are complete after every row: a killed run loses only the images it was working on.

    Args:
        output_dir: gets the files.
        settings: what the scores depend on, JSON-able; a run is resumed only under equal settings.
        resume: continue the run whose files are here; failed images are retried, except READER_DIED.
        reports: `ImageReports`, or None.
    """

    def __init__(
        self,
        output_dir: str | Path,
        settings: Mapping[str, Any] | None = None,
        resume: bool = False,
        reports: Any = None,
    ) -> None:
        self.folder, self.resume, self.reports = Path(output_dir), resume, reports
        self.csv_path, self.json_path = self.folder / "predictions.csv", self.folder / "predictions.json"
        self.settings = json.loads(json.dumps(dict(settings or {}), default=str))
        self.notice = notice_of(str(self.settings.get("model_version", "")))
        self.rows: list[dict[str, Any]] = []
        self._order: dict[str, int] = {}

    def start(self, images: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Write or resume the files, and return the images without a row; final rows are in the order of ``images``.

        Raises:
            ValueError: the files here have other settings or cannot be read.
            OSError: the files cannot be written.
        """
        with results_written(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._order = {as_written(image["name"]): number for number, image in enumerate(images)}
            before = self.earlier_rows()
            if self.resume:
                self.check_settings(before)
                self.rows = [row for row in before if not self.is_tried_again(row)]
            else:
                if before:
                    logger.info("%s: %d rows of an earlier run are replaced.", self.csv_path, len(before))
                for pattern in (*OVERLAYS, f"{IMAGE_REPORTS}/*.html", f"{THUMBNAILS}/*.jpg"):
                    for old in self.folder.glob(pattern):
                        old.unlink()
            (self.folder / OVERVIEW).unlink(missing_ok=True)
            if self.reports is not None:
                self.reports.start()
            self._write_all()
        done = {row["name"] for row in self.rows}
        left = [dict(image) for image in images if as_written(image["name"]) not in done]
        if self.resume and images:
            logger.info("%d of %d images are done, %d are left.", len(images) - len(left), len(images), len(left))
        return left

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row with a value for each of `COLUMNS` to both files."""
        kept = {column: row[column] for column in COLUMNS} | {"name": as_written(row["name"])}
        with self.csv_path.open("ab") as file:
            file.write(_csv_line(kept))
        with self.json_path.open("r+b") as file:
            file.seek(-len(_TAIL), os.SEEK_END)
            file.write((b",\n" if self.rows else b"\n") + _json_line(kept) + _TAIL)
        self.rows.append(kept)

    def replace(self, row: Mapping[str, Any]) -> None:
        """Add a row in place of an earlier one of the same name."""
        others = [each for each in self.rows if each["name"] != as_written(row["name"])]
        if len(others) < len(self.rows):
            self.rows = others
            self._write_all()
        self.append(row)

    def replace_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rewrite both files with these rows, in the order of the images."""
        self.rows = self._ordered(rows)
        self._write_all()

    def finish(self) -> None:
        """Sort the rows into the order of the images, write the pages and log a summary."""
        if self._ordered(self.rows) != self.rows:  # images were added between two runs
            self.replace_rows(self.rows)
        if self.reports is not None:
            self.reports.finish(self.rows, self.settings)
        status = Counter(row["status"] for row in self.rows)
        found = sum(row["decision"] == TB for row in self.rows)
        logger.info(
            "%d images: %d scored (%d %s), %d refused, %d failed. Written to %s (%s).",
            len(self.rows), status[DONE], found, TB, status[REFUSED], status[FAILED], self.folder, self.notice,
        )  # fmt: skip
        for reason, number in Counter(row["reason"] for row in self.rows if row["reason"]).most_common():
            first = next(row["name"] for row in self.rows if row["reason"] == reason)
            logger.info("  %s: %d (%s), first %s", reason, number, ReasonCode(reason).meaning, first)

    def break_off(self) -> None:
        """Write the pages of a run that ends early; they say so."""
        if self.reports is not None:
            with suppress(OSError):  # a full disk may be the very reason; that error is reported
                self.reports.finish(self.rows, self.settings, _BROKEN_OFF)

    @property
    def failed(self) -> int:
        """Number of images that could not be processed, without those refused by a rule."""
        return sum(row["status"] == FAILED for row in self.rows)

    def earlier_rows(self) -> list[dict[str, Any]]:
        """Read the rows in the folder; a row torn by a kill is left out."""
        if not self.csv_path.is_file():
            return []
        text = self.csv_path.read_bytes().decode("utf-8", errors="replace")
        rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline="")))
        try:
            if rows and tuple(rows[0]) != COLUMNS:
                raise ValueError("columns of another version of monai_tbkd")
            return [_typed(row) for row in rows[1:] if len(row) == len(COLUMNS)]
        except ValueError as error:
            if not self.resume:
                return []
            raise ValueError(
                f"{self.csv_path} cannot be resumed ({error}); give another output_dir, or start anew without resume."
            ) from error

    def check_settings(self, before: Sequence[Mapping[str, Any]]) -> None:
        """Raise ValueError if the rows in the folder were made under other settings."""
        if not before:
            return
        try:
            # only the head: a full disk or a power cut may have torn the rows
            there = json.loads(self.json_path.read_text(encoding="utf-8").partition(_ROWS)[0] + "}")["settings"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.json_path}: the settings of the run to go on with cannot be read from it; start anew without "
                "resume."
            ) from error
        if other := self.differing(there):
            found = "; ".join(f"{key}: {there.get(key)!r} there, {self.settings.get(key)!r} now" for key in other)
            raise ValueError(
                f"{self.folder} holds predictions under other settings ({found}); give another output_dir, or start "
                "anew without resume."
            )

    def differing(self, there: Mapping[str, Any]) -> list[str]:
        """List the settings that differ from those of an earlier run."""
        return [key for key in {**there, **self.settings} if there.get(key) != self.settings.get(key)]

    def is_tried_again(self, row: Mapping[str, Any]) -> bool:
        """Whether an image is retried on resume: it failed, and did not kill the reader."""
        return bool(row["status"] == FAILED and row["reason"] != ReasonCode.READER_DIED)

    def _ordered(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return sorted(map(dict, rows), key=lambda row: self._order.get(row["name"], len(self._order)))

    def _write_all(self) -> None:
        # CSV first: after a kill in between, no row stands beside settings that it was not made under
        with atomic_write(self.csv_path) as part:
            part.write_bytes(b"".join([csv_line(COLUMNS).encode(), *map(_csv_line, self.rows)]))
        head = json.dumps({"notice": self.notice, "settings": self.settings}, indent=2).removesuffix("\n}") + _ROWS
        with atomic_write(self.json_path) as part:
            part.write_bytes(head.encode() + b",".join(b"\n" + _json_line(row) for row in self.rows) + _TAIL)


@contextmanager
def results_written(folder: Path) -> Iterator[None]:
    """Turn an OSError on writing results into one sentence that says what to do."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{folder}: results cannot be written ({error.strerror or error}). Rows that are there stay; mend it (free "
            "space, permissions, another output_dir) and go on with --resume true (of locate: --set resume=true)."
        ) from error


def read_predictions(output_dir: str | Path) -> dict[str, Any]:
    """Read ``predictions.json`` with ``images`` and ``settings``.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is not what an inference wrote.
    """
    path = Path(output_dir) / "predictions.json"
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}; give the output_dir of an inference (inference.yaml).")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content["settings"], dict) or any(set(COLUMNS) - set(row) for row in content["images"]):
            raise ValueError("settings or columns are missing")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not what this version's inference (inference.yaml) writes ({error}).") from error
    return content


def as_written(name: str) -> str:
    """Spell a file name as one line of valid UTF-8."""
    return name.encode("utf-8", errors="backslashreplace").decode().replace("\r", "\\r").replace("\n", "\\n")


def _csv_line(row: Mapping[str, Any]) -> bytes:
    values = (row[column] for column in COLUMNS)
    cells = (json.dumps(v) if isinstance(v, list) else None if v is None else as_written(str(v)) for v in values)
    return csv_line(cells).encode()


def _json_line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, allow_nan=False).encode()


def _typed(cells: Sequence[str]) -> dict[str, Any]:
    return {
        column: None if cell == "" else read(read_cell(cell))
        for (column, read), cell in zip(_READERS.items(), cells, strict=True)
    }
