"""TBX11K as Kaggle's "simplified" copies have it: one folder of images and a table with a row a box."""

from __future__ import annotations

import ast
import csv
import logging
import math
import os
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from monai_tbkd.data.files.outside_text import csv_columns
from monai_tbkd.data.files.paths import absolute_path, natural_key
from monai_tbkd.data.lists.datalist_error import DatalistError, name_first, refuse
from monai_tbkd.data.lists.datalist_item import DatalistItem, datalist_item
from monai_tbkd.data.lists.dataset_files import ImagesByName, Row, images_in, parsed_rows, table_rows
from monai_tbkd.data.lists.image_classes import box_type_of, class_of, known_words, split_of

logger = logging.getLogger(__name__)

_COLUMNS = ("fname", "image_height", "image_width", "source", "bbox", "target", "tb_type", "image_type")
_SIGNS = {"fname", "bbox", "target"}
_TARGETS = {"tb": True, "no_tb": False, "non_tb": False}
_NONE = ("", "none", "nan")


class _Box(NamedTuple):
    """A row: a box, or an image without one."""

    size: tuple[float, float]
    split: str
    class_name: str
    box: list[float] | None
    box_type: str


def is_kaggle_csv(path: Path) -> bool:
    """Whether a file is a CSV table with the columns ``fname``, ``bbox`` and ``target``; not where it is unreadable."""
    try:
        return path.suffix.lower() == ".csv" and _SIGNS.issubset(csv_columns(path))
    except (OSError, csv.Error):
        return False


def load_kaggle_csv(csv_path_or_root: str | os.PathLike[str]) -> list[DatalistItem]:
    """Read a table with the columns ``fname, image_height, image_width, source, bbox, target, tb_type, image_type``.

    Each row is a box, or an image without one (``bbox`` is ``none``); the rows of an image are merged. ``bbox`` is
    ``{'xmin': ..., 'ymin': ..., 'width': ..., 'height': ...}`` in pixels of ``image_width`` x ``image_height`` and is
    scaled to the image file. ``source`` is the split; rows of a test split, or without ``target``, have no label and
    are left out. The class is that of ``image_type``. Images are in ``images`` beside the table, or anywhere below its
    folder; ``name`` is the path under it. Instead of the table, the folder with one such table in it will do.

    Raises:
        DatalistError: no such table, or rows that cannot be understood, contradict each other or name several images.
    """
    table = absolute_path(csv_path_or_root)
    if table.is_dir():
        tables = sorted(each for each in table.glob("*.csv") if is_kaggle_csv(each))
        if len(tables) != 1:
            raise DatalistError(
                f"{table}: {len(tables)} tables with the columns {', '.join(sorted(_SIGNS))}; expected one: give "
                "the path of the table itself."
            )
        table = tables[0]
    columns, rows = table_rows(table)
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise DatalistError(f"{table}: no column {' and '.join(missing)}; expected {', '.join(_COLUMNS)}.")
    double = [name for name in _COLUMNS if columns.count(name) > 1]
    refuse(table, "several columns of one name", double, "keep one of them")
    rows = [{name: row[name].strip() for name in _COLUMNS} for row in rows]
    by_image: dict[str, list[_Box]] = defaultdict(list)
    numbers: dict[str, list[str]] = defaultdict(list)
    unlabeled: set[str] = set()
    for number, (row, box) in enumerate(zip(rows, parsed_rows(table, rows, _parsed), strict=True), start=2):
        if box is None:
            unlabeled.add(row["fname"])
        else:
            by_image[row["fname"]].append(box)
            numbers[row["fname"]].append(str(number))
    if unlabeled:
        logger.info("%s: images without a label are left out (%s).", table, name_first(sorted(unlabeled)))
    torn = {name: text for name, own in by_image.items() if (text := _conflict(own))}
    conflicts = [f"{name} {text} in rows {', '.join(numbers[name])}" for name, text in torn.items()]
    refuse(table, "rows of one image that contradict each other", conflicts, "make them agree")
    paths = _paths(table.parent, list(by_image))
    items = []
    for listed in sorted(by_image, key=natural_key):
        path, own = paths[listed], by_image[listed]
        name, boxes = path.relative_to(table.parent).as_posix(), [row.box for row in own if row.box is not None]
        types, first = [row.box_type for row in own], own[0]
        items.append(datalist_item(path, name, first.class_name, first.split, boxes, types, drawn_on=first.size))
    return items


def _parsed(row: Row) -> _Box | None:
    """Read a row; None where it has no label."""
    if split_of(row["source"]) == "test" or row["target"].lower() in _NONE:
        return None
    name = PurePosixPath(row["fname"])
    strange = not name.parts or ".." in name.parts or name.is_absolute() or "\\" in row["fname"]
    if strange or any(len(os.fsencode(part)) > 255 for part in name.parts):
        raise ValueError(f"names the image {row['fname'][:60]!r} (expected a name like tb0005.png)")
    split, class_name = split_of(row["source"]), class_of(row["image_type"])
    if split is None:
        raise ValueError(f"has the source {row['source']!r} (expected train, val or test)")
    if class_name is None:
        raise ValueError(f"has the image_type {row['image_type']!r} (expected one of {known_words()})")
    if _TARGETS.get(row["target"].lower().replace("-", "_")) is not (class_name == "tb"):
        raise ValueError(f"has the target {row['target']!r} and the image_type {row['image_type']!r}")
    size = (_length(row, "image_height"), _length(row, "image_width"))
    box = _box(row["bbox"])
    if box is not None and class_name != "tb":
        raise ValueError(f"has a box and the image_type {row['image_type']!r} (only TB images have boxes)")
    word = row["tb_type"]
    box_type = box_type_of(word) or (word if word.lower() not in _NONE else "unspecified")
    return _Box(size, split, class_name, box, box_type)


def _length(row: Row, column: str) -> float:
    try:
        length = float(row[column])
    except ValueError:
        length = math.nan
    if not 0 < length < math.inf:
        raise ValueError(f"has {column} {row[column]!r} (expected a number of pixels)")
    return length


def _box(text: str) -> list[float] | None:
    if text.lower() in _NONE:
        return None
    try:
        box = ast.literal_eval(text)
        x, y, width, height = (float(box[edge]) for edge in ("xmin", "ymin", "width", "height"))
    except (ValueError, SyntaxError, TypeError, KeyError, OverflowError, MemoryError, RecursionError) as error:
        raise ValueError(
            f"has the bbox {text[:60]!r} (expected none, or {{'xmin': 0, 'ymin': 0, 'width': 9, 'height': 9}})"
        ) from error
    if not all(math.isfinite(number) for number in (x, y, width, height)):
        raise ValueError(f"has the bbox {text[:60]!r} (expected finite numbers)")
    return [x, y, x + width, y + height]


def _conflict(rows: list[_Box]) -> str | None:
    for what in ("class_name", "split", "size"):
        found = {str(getattr(row, what)) for row in rows}
        if len(found) > 1:
            return f"has {' and '.join(sorted(found))}"
    return "has a box and none" if len(rows) > 1 and any(row.box is None for row in rows) else None


def _paths(folder: Path, names: list[str]) -> dict[str, Path]:
    # An image that is not there keeps the path where it should be, for check_datalist to name.
    found = {name: folder / "images" / name for name in names}
    elsewhere = [name for name, path in found.items() if not path.is_file()]
    images = ImagesByName(folder, images_in(folder) if elsewhere else [])
    found |= {name: folder / path for name in elsewhere if (path := images.find(name))}
    refuse(folder, "listed images of which there are several", images.several, "keep one")
    return found
