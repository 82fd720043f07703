"""Data sets that are a table, one row an image: read, and written of an annotator's work."""

from __future__ import annotations

import csv
import json
import logging
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_tbkd.data.files.atomic_write import atomic_write
from monai_tbkd.data.files.paths import absolute_path
from monai_tbkd.data.lists.datalist_error import DatalistError, name_first, refuse
from monai_tbkd.data.lists.datalist_item import Boxes, DatalistItem, datalist_item
from monai_tbkd.data.lists.dataset_files import Row, parsed_rows, table_rows
from monai_tbkd.data.lists.image_classes import class_of, is_split_word, known_words, plain_word, split_of
from monai_tbkd.data.lists.lesion_polygons import add_polygons, read_polygons

logger = logging.getLogger(__name__)

_COLUMNS = {"image", "label", "split", "boxes", "patient_id", "source"}
_LESIONS = "lesions.json"
_PATIENTS = ("patient", "patientid", "subject_id")
_BOXES = {"bbox", "bboxes", "box", "boundingbox", "boundingboxes", "xmin"}
_BLANK = {"", "na", "n/a", "nan", "none", "null", "-", "?", "[]"}


def load_manifest(csv_path: str | os.PathLike[str]) -> list[DatalistItem]:
    """Read a CSV file, or a folder's ``manifest.csv``, with the columns ``image``, ``label`` and, where known, more.

    ``image``: absolute, or relative to the table's folder and within it; ``name`` is the path under that folder.
    ``label``: a word that `class_of` knows. ``split``: train, val or test. ``boxes``: JSON,
    ``[[xmin, ymin, xmax, ymax], ...]`` in pixels of the image. ``patient_id``, or ``patient`` or ``subject_id``.
    ``source``: the hospital. Other columns are ignored, but one that holds splits where ``split`` is missing or blank,
    or that is called ``bbox`` where ``boxes`` is missing, is an error. Case does not count in names of columns.

    ``lesions.json`` beside the table holds outlines of lesions, see `read_polygons`, in pixels of the image; where an
    image has some, its boxes are those around them.

    Raises:
        DatalistError: no such table, a column is missing or there twice, or a row cannot be understood.
    """
    table = absolute_path(csv_path)
    table = table / "manifest.csv" if table.is_dir() else table
    folder = table.parent
    parsed = parsed_rows(
        table, _rows(table), lambda row: (_image_path(folder, row["image"].strip()), _fields(row), row)
    )
    dropped = [path.name for path, fields, _ in parsed if fields["boxes"] and fields["class_name"] != "tb"]
    if dropped:
        logger.warning("%s: boxes on images without TB are ignored (%s).", table, name_first(dropped))
    # Names that stay the same when the data set moves.
    outside = [path.parent for path, _, _ in parsed if not path.is_relative_to(folder)]
    common = os.path.commonpath(outside) if outside else folder
    lesions = read_polygons(folder / _LESIONS) if (folder / _LESIONS).is_file() else {}
    items = []
    for path, fields, row in parsed:
        name = path.relative_to(folder if path.is_relative_to(folder) else common).as_posix()
        box_types = ["unspecified"] * len(fields["boxes"] or [])
        item = datalist_item(path, name, box_types=box_types, **fields)
        add_polygons(item, lesions.get(path.name))
        if source := row.get("source", "").strip():
            item["source"] = source
        items.append(item)
    return items


def write_manifest(table: str | os.PathLike[str], images: Iterable[tuple[str, str, Sequence[Sequence[float]]]]) -> Path:
    """Write a table that `load_manifest` takes, whole or not at all, and return its absolute path.

    Images are path, class name and boxes of each.
    """
    path = absolute_path(table)
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "label", "boxes"])
        for image, label, boxes in images:
            drawn = json.dumps([list(box) for box in boxes]) if boxes else ""
            writer.writerow([str(absolute_path(image)), label, drawn])
    return path


@dataclass(frozen=True)
class Correction:
    """What an annotator has said of one image.

    Args:
        image: the file.
        tb: whether it has TB; an image with boxes has.
        boxes: ``[xmin, ymin, xmax, ymax]`` in pixels of the upright image (x = column, half-open).
    """

    image: str
    tb: bool
    boxes: tuple[tuple[float, float, float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.boxes and not self.tb:
            raise ValueError(f"{self.image}: {len(self.boxes)} boxes on an image without TB; expected none.")


def write_corrections(table: str | os.PathLike[str], corrections: Sequence[Correction]) -> Path:
    """Write corrections, one an image, with `write_manifest`; without any, a ValueError.

    An image without TB is called healthy: whether it shows another disease is not asked.
    """
    if not corrections:
        raise ValueError("No image has a label yet, so there is nothing to learn from; save labels first.")
    ordered = sorted(corrections, key=lambda correction: correction.image)
    return write_manifest(table, ((each.image, "tb" if each.tb else "health", each.boxes) for each in ordered))


def _rows(table: Path) -> list[Row]:
    """Rows with the columns named as here; columns that seem to hold what none of ours does are refused."""
    columns, rows = table_rows(table)
    # Written as in a spreadsheet: "Image", "Patient ID".
    own_name = {name: plain_word(name) for name in columns}
    if "patient_id" not in own_name.values():
        patient = next((word for word in _PATIENTS if word in own_name.values()), None)
        own_name = {name: "patient_id" if word == patient else word for name, word in own_name.items()}
    counts = Counter(own_name[name] for name in columns)
    double = [name for name in columns if own_name[name] in _COLUMNS and counts[own_name[name]] > 1]
    refuse(table, "several columns of one name", double, "keep one of them")
    rows = [{own_name[name]: cell for name, cell in row.items()} for row in rows]
    missing = sorted({"image", "label"} - counts.keys())
    if missing:
        raise DatalistError(
            f"{table}: no column {' and '.join(missing)} (found {', '.join(sorted(columns)) or 'none'}); "
            "name the columns image and label, and separate them by commas."
        )
    ignored = sorted(counts.keys() - _COLUMNS)
    if ignored:
        logger.debug("%s: columns ignored: %s.", table, ", ".join(ignored))
    if "boxes" not in counts:
        for name in ignored:
            if name.replace("_", "") in _BOXES and (words := _words(rows, name)):
                raise DatalistError(
                    f"{table}: the column {name} seems to hold boxes ({words[0][:60]}), and none is called boxes; call "
                    "it so, with [[xmin, ymin, xmax, ymax], ...] in pixels in each cell, or take it away."
                )
    if not _words(rows, "split"):
        for name in sorted({*ignored, "source"}):
            words = _words(rows, name)
            if words and all(is_split_word(word) for word in words):
                raise DatalistError(
                    f"{table}: the column {name} holds splits ({name_first(words)}); name it split, or take it "
                    "away to have the reported split cut by the hash of the name."
                )
    return rows


def _words(rows: Iterable[Row], column: str) -> list[str]:
    """What a column holds, without blank cells."""
    return sorted({word for row in rows if (word := row.get(column, "").strip()).lower() not in _BLANK})


def _image_path(folder: Path, text: str) -> Path:
    if not text:
        raise ValueError("names no image")
    path = absolute_path(text if Path(text).is_absolute() else folder / text)
    # By name only: links out of the folder are the owner's doing, a "../" in a downloaded table may not be.
    if not Path(text).is_absolute() and not path.is_relative_to(folder):
        raise ValueError(f"leads out of the table's folder ({text}; give an absolute path if that is meant)")
    return path


def _fields(row: Row) -> dict[str, Any]:
    """Arguments of `datalist_item`."""
    cells = {name: row.get(name, "").strip() for name in ("split", "boxes", "patient_id")}
    class_name, split = class_of(row["label"]), split_of(cells["split"] or "train")
    if class_name is None:
        raise ValueError(f"has the label {row['label']!r} (expected one of {known_words()})")
    if split is None:
        raise ValueError(f"has the split {cells['split']!r} (expected train, val or test)")
    patient = cells["patient_id"] or None
    return {"class_name": class_name, "split": split, "boxes": _boxes(cells["boxes"]), "patient_id": patient}


def _boxes(text: str) -> Boxes | None:
    if not text:
        return None
    try:
        boxes = [[float(edge) for edge in box] for box in json.loads(text)]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"has boxes {text[:60]!r} (expected JSON like [[xmin, ymin, xmax, ymax]])") from error
    if any(len(box) != 4 or not all(math.isfinite(edge) for edge in box) for box in boxes):
        raise ValueError(f"has boxes {text[:60]!r} (expected four finite numbers a box)")
    return boxes
