"""Data sets that are a table: one row a film."""

from __future__ import annotations

import csv
import json
import logging
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from monai_tbkd.data.absolute_path import absolute_path
from monai_tbkd.data.datalist_error import DatalistError, name_first
from monai_tbkd.data.datalist_item import Boxes, DatalistItem, datalist_item
from monai_tbkd.data.film_classes import class_of, known_words, plain_word
from monai_tbkd.data.lesion_polygons import add_polygons, read_polygons
from monai_tbkd.data.outside_text import read_csv
from monai_tbkd.data.split_words import is_split_word, split_of
from monai_tbkd.data.whole_file import whole_file

logger = logging.getLogger(__name__)

_COLUMNS = {"image", "label", "split", "boxes", "patient_id", "source"}
_LESIONS = "lesions.json"
_PATIENTS = ("patient", "patientid", "subject_id")
_BOXES = {"bbox", "bboxes", "box", "boundingbox", "boundingboxes", "xmin"}
_BLANK = {"", "na", "n/a", "nan", "none", "null", "-", "?", "[]"}


def load_manifest(csv_path: str | os.PathLike[str], num_classes: int = 2) -> list[DatalistItem]:
    """Read a CSV file with the columns ``image`` and ``label`` and, where known, ``split``, ``boxes``, ``patient_id``.

    ``lesions.json`` beside the table holds outlines of lesions, see `read_polygons`, in pixels of the image; where an
    image has some, its boxes are those around them.

    Args:
        csv_path: the table, as `read_csv` reads it. ``image``: absolute, or relative to the table's folder and
            within it. ``label``: a word that `class_of` knows. ``split``: train, val or test. ``boxes``: JSON,
            ``[[xmin, ymin, xmax, ymax], ...]`` in pixels of the film. ``patient`` or ``subject_id`` will do
            for ``patient_id``. ``source``: the hospital. Other columns are ignored, but one that holds splits where
            ``split`` is missing or blank, or that is called ``bbox`` where ``boxes`` is missing, is an error. Case does
            not count in names of columns.
        num_classes: label scheme, see `class_label`.

    Returns:
        Data list items; ``name`` is the path under the table's folder.

    Raises:
        DatalistError: no such table, a column is missing or there twice, or a row cannot be understood.

    Example:
        >>> load_manifest("my_films/manifest.csv")  # doctest: +SKIP
    """
    table = absolute_path(csv_path)
    rows = _rows(table)
    faults: list[str] = []
    parsed: list[tuple[Path, dict[str, Any]]] = []
    for number, row in enumerate(rows, start=2):
        try:
            path = _film_path(table.parent, row["image"])
            fields: dict[str, Any] = {
                "class_name": _class_name(row["label"]),
                "split": _split(row.get("split") or ""),
                "boxes": _boxes(row.get("boxes") or ""),
                "patient_id": (row.get("patient_id") or "").strip() or None,
                "source": (row.get("source") or "").strip(),
            }
        except ValueError as error:
            faults.append(f"row {number} {error}")
        else:
            parsed.append((path, fields))
    if faults:
        raise DatalistError(f"{table}: rows that cannot be understood ({name_first(faults)}); mend them.")
    dropped = [str(path.name) for path, fields in parsed if fields["boxes"] and fields["class_name"] != "tb"]
    if dropped:
        logger.warning("%s: boxes on films without TB are ignored (%s).", table, name_first(dropped))
    names = _names([path for path, _ in parsed], table.parent)
    outlines = table.parent / _LESIONS
    lesions = read_polygons(outlines) if outlines.is_file() else {}
    items = []
    for (path, fields), name in zip(parsed, names, strict=True):
        source = fields.pop("source")
        box_types = ["unspecified"] * len(fields["boxes"] or [])
        item = datalist_item(path, name, num_classes=num_classes, box_types=box_types, **fields)
        add_polygons(item, lesions.get(path.name))
        items.append({**item, "source": source} if source else item)
    return items


def write_manifest(table: str | os.PathLike[str], films: Iterable[tuple[str, str, Sequence[Sequence[float]]]]) -> Path:
    """Write a table that `load_manifest` takes, whole or not at all.

    Args:
        table: the CSV file; its folder is made.
        films: path (made absolute), class name and boxes of each; without boxes the cell is empty.

    Returns:
        The absolute path of the table.
    """
    path = absolute_path(table)
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "label", "boxes"])
        for image, label, boxes in films:
            drawn = json.dumps([list(box) for box in boxes]) if boxes else ""
            writer.writerow([str(absolute_path(image)), label, drawn])
    return path


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        columns, rows = read_csv(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatalistError(f"{table}: cannot be read as a UTF-8 CSV file ({error}); check the path.") from error
    # Written as in a spreadsheet: "Image", "Patient ID".
    own_name = {name: plain_word(name) for name in columns}
    if "patient_id" not in own_name.values():
        patient = next((word for word in _PATIENTS if word in own_name.values()), None)
        own_name = {name: "patient_id" if word == patient else word for name, word in own_name.items()}
    counts = Counter(own_name[name] for name in columns)
    double = [name for name in columns if own_name[name] in _COLUMNS and counts[own_name[name]] > 1]
    if double:
        raise DatalistError(f"{table}: several columns of one name ({name_first(double)}); keep one of them.")
    rows = [{own_name[name]: cell for name, cell in row.items()} for row in rows]
    missing = {"image", "label"} - set(own_name.values())
    if missing:
        raise DatalistError(
            f"{table}: no column {' and '.join(sorted(missing))} (found {', '.join(sorted(columns)) or 'none'}); "
            "name the columns image and label, and separate them by commas."
        )
    ignored = set(own_name.values()) - _COLUMNS
    if ignored:
        logger.debug("%s: columns ignored: %s.", table, ", ".join(sorted(ignored)))
    if "boxes" not in own_name.values():
        for name in sorted(name for name in ignored if name.replace("_", "") in _BOXES):
            if words := _words(rows, name):
                raise DatalistError(
                    f"{table}: the column {name} seems to hold boxes ({words[0][:60]}), and none is called boxes; call "
                    "it so, with [[xmin, ymin, xmax, ymax], ...] in pixels in each cell, or take it away."
                )
    if not _words(rows, "split"):
        for name in sorted(ignored | ({"source"} & set(own_name.values()))):
            words = _words(rows, name)
            if words and all(is_split_word(word) for word in words):
                raise DatalistError(
                    f"{table}: the column {name} holds splits ({name_first(words)}); name it split, or take it "
                    "away to have the reported split cut by the hash of the name."
                )
    return rows


def _words(rows: Iterable[dict[str, str]], column: str) -> list[str]:
    """What a column holds, without blank cells."""
    return sorted({word for row in rows if (word := row.get(column, "").strip()).lower() not in _BLANK})


def _film_path(folder: Path, text: str) -> Path:
    text = text.strip()
    if not text:
        raise ValueError("names no film")
    if Path(text).is_absolute():
        return absolute_path(text)
    path = absolute_path(folder / text)
    # By name only: links out of the folder are the owner's doing, a "../" in a downloaded table may not be.
    if not path.is_relative_to(folder):
        raise ValueError(f"leads out of the table's folder ({text}; give an absolute path if that is meant)")
    return path


def _class_name(word: str) -> str:
    name = class_of(word)
    if name is None:
        raise ValueError(f"has the label {word!r} (expected one of {known_words()})")
    return name


def _split(word: str) -> str:
    if not word.strip():
        return "train"
    split = split_of(word)
    if split is None:
        raise ValueError(f"has the split {word!r} (expected train, val or test)")
    return split


def _boxes(text: str) -> Boxes | None:
    if not text.strip():
        return None
    try:
        boxes = [[float(edge) for edge in box] for box in json.loads(text)]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"has boxes {text[:60]!r} (expected JSON like [[xmin, ymin, xmax, ymax]])") from error
    if any(len(box) != 4 or not all(math.isfinite(edge) for edge in box) for box in boxes):
        raise ValueError(f"has boxes {text[:60]!r} (expected four finite numbers a box)")
    return boxes


def _names(paths: list[Path], folder: Path) -> list[str]:
    """Names that stay the same when the data set moves to another place."""
    outside = [path for path in paths if not path.is_relative_to(folder)]
    common = Path(os.path.commonpath([path.parent for path in outside])) if outside else folder
    return [path.relative_to(folder if path.is_relative_to(folder) else common).as_posix() for path in paths]
