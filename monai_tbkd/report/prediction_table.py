"""The results of an inference as a table that is whole at every moment and can be gone on with."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from monai_tbkd.data.csv_cells import csv_line, read_cell
from monai_tbkd.data.reason_codes import ReasonCode
from monai_tbkd.data.whole_file import whole_file, write_json
from monai_tbkd.transforms import notice_of

logger = logging.getLogger(__name__)

# how to read each column back; all but these are text
_NUMBERS: dict[str, Any] = {
    "height": int,
    "width": int,
    "score_0_100": float,
    "threshold_0_100": float,
    "n_boxes": int,
    "boxes": json.loads,
    "seconds": float,
}
COLUMNS = (
    "name",
    "path",
    "status",
    "reason",
    "detail",
    "warnings",
    "source_format",
    "height",
    "width",
    "pixel_steps",
    "score_0_100",
    "threshold_0_100",
    "threshold_id",
    "decision",
    "n_boxes",
    "boxes",
    "model_version",
    "seconds",
    "sop_instance_uid",
)
TB, NO_TB = "TB suggestive", "not TB suggestive"
DONE, REFUSED, FAILED = "done", "refused", "failed"
OVERVIEW, FILM_REPORTS = "predictions.html", "film_reports"
THUMBNAILS = f"{FILM_REPORTS}/thumbnails"
OVERLAY_FORMATS: dict[str, dict[str, Any]] = {
    # a third of the time that Pillow's own level (6) takes, for files a sixth larger
    "png": {"compress_level": 1},
    # letters and the lines of boxes keep their colors
    "jpg": {"quality": 90, "subsampling": 0},
}
"""How overlays are saved, by the ending of the file."""
OVERLAYS = tuple(f"overlays/*.{ending}" for ending in OVERLAY_FORMATS)
_PICTURES = (*OVERLAYS, f"{FILM_REPORTS}/*.html", f"{THUMBNAILS}/*.jpg")
_BROKEN_OFF = (
    "The run ended early, so films may be missing from this page. The same command with --resume true goes on with it."
)
_TAIL = b"\n]\n}\n"
_ROWS = ',\n  "films":'


def known_overlay_format(name: str) -> str:
    """The name, if overlays can be saved so.

    Raises:
        ValueError: they can't.
    """
    if name not in OVERLAY_FORMATS:
        raise ValueError(f"overlay_format is {name!r}; expected one of {', '.join(OVERLAY_FORMATS)}.")
    return name


class Reports(Protocol):
    """Pages for people, made beside the table."""

    def start(self) -> None:
        """Get ready for films."""

    def finish(self, rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], unfinished: str = "") -> object:
        """Make what needs all rows, and say why there may be more films, if there may."""


class PredictionTable:
    """``predictions.csv`` and ``predictions.json``, a row a film, both complete after every row.

    A row is written in one piece, so a killed run loses the films in work and nothing else.

    Args:
        output_dir: gets the files.
        settings: what the scores depend on, JSON-able; a run is gone on with under the same settings only.
        resume: go on with the run that left its files here; films that have failed are tried again, except READER_DIED.
        reports: pages to be made of the rows, or None.

    Raises:
        ValueError: the files here are of other settings, or cannot be read.

    Example:
        >>> table = PredictionTable("outputs", {"model_version": "1"})  # doctest: +SKIP
        >>> todo = table.start(films)  # doctest: +SKIP
    """

    def __init__(
        self,
        output_dir: str | Path,
        settings: Mapping[str, Any] | None = None,
        resume: bool = False,
        reports: Reports | None = None,
    ) -> None:
        self.folder, self.reports = Path(output_dir), reports
        self.settings = json.loads(json.dumps(dict(settings or {}), default=str))
        self.resume = resume
        self.notice = notice_of(str(self.settings.get("model_version", "")))
        self.rows: list[dict[str, Any]] = []
        self._order: dict[str, int] = {}
        self._names: set[str] = set()
        self._csv: BinaryIO | None = None
        self._json: BinaryIO | None = None

    @property
    def csv_path(self) -> Path:
        """The table."""
        return self.folder / "predictions.csv"

    @property
    def json_path(self) -> Path:
        """The same with notice and settings."""
        return self.folder / "predictions.json"

    def start(self, films: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Open the files, and tell what is left to do.

        Args:
            films: what `list_films` gave, in the order that the rows are to have.

        Returns:
            The films without a row.
        """
        with results_written(self.folder):
            self._open(films)
        self._names = {row["name"] for row in self.rows}
        left = [dict(film) for film in films if as_written(film["name"]) not in self._names]
        if self.resume and films:
            logger.info("%d of %d films are done, %d are left.", len(films) - len(left), len(films), len(left))
        return left

    def _open(self, films: Sequence[Mapping[str, Any]]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._order = {as_written(film["name"]): number for number, film in enumerate(films)}
        before = self.earlier_rows()
        if self.resume:
            self.check_settings(before)
            self.rows = [row for row in before if not self.is_tried_again(row)]
        elif before:
            logger.info("%s: %d rows of an earlier run are replaced.", self.csv_path, len(before))
        if not self.resume:
            # Nothing of an earlier run may be taken for this one's.
            for pattern in _PICTURES:
                for old in self.folder.glob(pattern):
                    old.unlink()
        (self.folder / OVERVIEW).unlink(missing_ok=True)  # of fewer films
        if self.reports is not None:
            self.reports.start()
        self._write_all()

    def append(self, row: Mapping[str, Any]) -> None:
        """Add the row of one film to both files.

        Args:
            row: a value for each of `COLUMNS`; None is empty in CSV and null in JSON.
        """
        if self._csv is None or self._json is None:
            raise RuntimeError("The table is not open; call start first.")
        kept = {column: row[column] for column in COLUMNS} | {"name": as_written(row["name"])}
        _write(self._csv, _csv_line(kept))
        self._json.seek(-len(_TAIL), os.SEEK_END)
        _write(self._json, (b",\n" if self.rows else b"\n") + _json_line(kept) + _TAIL)
        self.rows.append(kept)
        self._names.add(kept["name"])

    def replace(self, row: Mapping[str, Any]) -> None:
        """Add the row of one film, in place of the one that it may have.

        Args:
            row: as for `append`.
        """
        name = as_written(row["name"])
        if name in self._names:
            self.rows = [each for each in self.rows if each["name"] != name]
            self._write_all()
        self.append(row)

    def finish(self) -> None:
        """Put the rows into the order of the films, close the files, and say what was found."""
        ordered = self._ordered(self.rows)
        if ordered != self.rows:  # films that came to the folder between two runs
            self.replace_rows(ordered)
        self.close()
        if self.reports is not None:
            self.reports.finish(self.rows, self.settings)
        status = Counter(row["status"] for row in self.rows)
        found = sum(row["decision"] == TB for row in self.rows)
        logger.info(
            "%d films: %d scored (%d %s), %d refused, %d failed. Written to %s (%s).",
            len(self.rows), status[DONE], found, TB, status[REFUSED], status[FAILED], self.folder, self.notice,
        )  # fmt: skip
        for reason, number in Counter(row["reason"] for row in self.rows if row["reason"]).most_common():
            first = next(row["name"] for row in self.rows if row["reason"] == reason)
            logger.info("  %s: %d (%s), first %s", reason, number, ReasonCode(reason).meaning, first)

    def break_off(self) -> None:
        """Close the files of a run that ends early; its pages say so."""
        self.close()
        if self.reports is not None:
            with suppress(OSError):  # a full disk may be why it ends, and that is what is to be told
                self.reports.finish(self.rows, self.settings, _BROKEN_OFF)

    def replace_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write both files anew with these rows, in the order of the films."""
        self.rows = self._ordered(rows)
        self._write_all()

    def _ordered(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return sorted(map(dict, rows), key=lambda row: self._order.get(row["name"], len(self._order)))

    def close(self) -> None:
        """Close the files; they are complete at any time."""
        for file in (self._csv, self._json):
            if file is not None:
                file.close()
        self._csv = self._json = None

    @property
    def failed(self) -> int:
        """How many films could not be processed (refusals by a rule are not counted)."""
        return sum(row["status"] == FAILED for row in self.rows)

    def earlier_rows(self) -> list[dict[str, Any]]:
        """The whole rows of an earlier run, as they stand in the folder; a row that a kill has torn is left out."""
        if not self.csv_path.is_file():
            return []
        text = self.csv_path.read_bytes().decode("utf-8", errors="replace")
        rows = list(csv.reader(io.StringIO(text, newline="")))
        if not text.endswith("\n"):
            rows = rows[:-1]
        if not rows or tuple(rows[0]) != COLUMNS:
            if self.resume and rows:
                raise ValueError(
                    f"{self.csv_path}: columns of another version of monai_tbkd; give another output_dir, or start "
                    "anew without resume."
                )
            return []
        try:
            return [_typed(row) for row in rows[1:] if len(row) == len(COLUMNS)]
        except ValueError as error:
            if not self.resume:
                return []
            raise ValueError(
                f"{self.csv_path}: changed since it was written ({error}); give another output_dir, or start anew "
                "without resume."
            ) from error

    def check_settings(self, before: list[dict[str, Any]]) -> None:
        """Refuse rows that were made under other settings.

        Raises:
            ValueError: with each setting that differs.
        """
        if not before:
            return
        try:
            # The head alone: a full disk or a power cut may have torn the rows.
            head = self.json_path.read_text(encoding="utf-8").partition(_ROWS)[0]
            there = json.loads(head + "}")["settings"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.json_path}: the settings of the run to go on with cannot be read from it; start anew without "
                "resume."
            ) from error
        other = self.differing(there)
        if other:
            found = "; ".join(f"{key}: {there.get(key)!r} there, {self.settings.get(key)!r} now" for key in other)
            raise ValueError(
                f"{self.folder} holds predictions under other settings ({found}); give another output_dir, or start "
                "anew without resume."
            )

    def differing(self, there: Mapping[str, Any]) -> list[str]:
        """The settings that are not those of an earlier run."""
        return [key for key in {**there, **self.settings} if there.get(key) != self.settings.get(key)]

    def is_tried_again(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has failed: the file may have been mended, or a decoder installed. READER_DIED is not."""
        return bool(row["status"] == FAILED and row["reason"] != ReasonCode.READER_DIED)

    def _write_all(self) -> None:
        self.close()
        lines = [csv_line(COLUMNS).encode(), *map(_csv_line, self.rows)]
        head = {"notice": self.notice, "settings": self.settings}
        with whole_file(self.csv_path) as part:
            part.write_bytes(b"".join(lines))
            # The head first: a kill between the two leaves settings without rows, never rows under wrong settings.
            if not self.rows:
                write_json(self.json_path, {**head, "films": []})
        text = json.dumps(head, indent=2).removesuffix("\n}") + _ROWS + " ["
        body = b",".join(b"\n" + _json_line(row) for row in self.rows)
        with whole_file(self.json_path) as part:
            part.write_bytes(text.encode() + body + _TAIL)
        # Unbuffered: one write a row.
        self._csv = open(self.csv_path, "ab", buffering=0)  # noqa: SIM115
        self._json = open(self.json_path, "r+b", buffering=0)  # noqa: SIM115


@contextmanager
def results_written(folder: Path) -> Iterator[None]:
    """Say in one sentence that results cannot be written: a full disk, a folder that may not be written to.

    Raises:
        OSError: in place of that of the system.
    """
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{folder}: results cannot be written ({error.strerror or error}). Rows that are there stay; mend it (free "
            "space, permissions, another output_dir) and go on with --resume true."
        ) from error


def _write(file: BinaryIO, content: bytes) -> None:
    """All of it: an unbuffered file may take a part, as before a disk is full, and then raises at the next."""
    while content:
        content = content[file.write(content) :]


def read_predictions(output_dir: str | Path) -> dict[str, Any]:
    """The content of ``predictions.json``, with ``films`` and ``settings``.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is not what an inference wrote.
    """
    path = Path(output_dir) / "predictions.json"
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}; give the output_dir of an inference (inference.yaml).")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content["settings"], dict) or any(set(COLUMNS) - set(row) for row in content["films"]):
            raise ValueError("settings or columns are missing")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not what this version's inference (inference.yaml) writes ({error}).") from error
    return content


def as_written(name: str) -> str:
    """A file name as tables and pictures can hold it: valid UTF-8 (other bytes are spelled out), and on one line."""
    return name.encode("utf-8", errors="backslashreplace").decode().replace("\r", "\\r").replace("\n", "\\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, list) else as_written(str(value))


def _csv_line(row: Mapping[str, Any]) -> bytes:
    return csv_line(_cell(row[column]) for column in COLUMNS).encode()


def _json_line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, allow_nan=False).encode()


def _typed(cells: Sequence[str]) -> dict[str, Any]:
    return {
        column: None if cell == "" else _NUMBERS.get(column, str)(read_cell(cell))
        for column, cell in zip(COLUMNS, cells, strict=True)
    }
