"""TBX11K as Kaggle's "simplified" copies have it: one folder of images and a table with a row a box."""

from __future__ import annotations

import ast
import csv
import logging
import math
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from monai_tbkd.data.files.outside_text import csv_columns
from monai_tbkd.data.files.paths import absolute_path, natural_key
from monai_tbkd.data.lists.datalist_error import DatalistError, name_first, refuse
from monai_tbkd.data.lists.datalist_item import DatalistItem, datalist_item
from monai_tbkd.data.lists.dataset_files import images_in, table_rows
from monai_tbkd.data.lists.image_classes import box_type_of, class_of, known_words, split_of
from monai_tbkd.data.readers.image_folder import image_stem

logger = logging.getLogger(__name__)

_COLUMNS = ("fname", "image_height", "image_width", "source", "bbox", "target", "tb_type", "image_type")
_SIGNS = {"fname", "bbox", "target"}
_TARGETS = {"tb": True, "no_tb": False, "non_tb": False}
_NONE = ("", "none", "nan")


@dataclass(frozen=True)
class _Row:
    number: int
    name: str
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


def load_kaggle_csv(csv_path_or_root: str | os.PathLike[str], num_classes: int = 2) -> list[DatalistItem]:
    """Read a table with the columns ``fname, image_height, image_width, source, bbox, target, tb_type, image_type``.

    Each row is a box, or an image without one (``bbox`` is ``none``); the rows of an image are merged. ``bbox`` is
    ``{'xmin': ..., 'ymin': ..., 'width': ..., 'height': ...}`` in pixels of ``image_width`` x ``image_height`` and is
    scaled to the image file. ``source`` is the split; rows of a test split, or without ``target``, have no label and
    are left out. The class is that of ``image_type`` (``sick_but_no_tb`` and ``sick_but_non_tb`` alike). Images are in
    ``images`` beside the table, or anywhere below its folder.

    Args:
        csv_path_or_root: the table, or the folder with one such table in it.
        num_classes: label scheme, see `class_label`.

    Returns:
        Data list items; ``name`` is the path under the table's folder.

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
    columns, found = table_rows(table)
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise DatalistError(f"{table}: no column {' and '.join(missing)}; expected {', '.join(_COLUMNS)}.")
    double = [name for name in _COLUMNS if columns.count(name) > 1]
    refuse(table, "several columns of one name", double, "keep one of them")
    by_image: dict[str, list[_Row]] = defaultdict(list)
    faults: list[str] = []
    unlabeled: set[str] = set()
    for number, row in enumerate(found, start=2):
        line = {name: row[name].strip() for name in _COLUMNS}
        if split_of(line["source"]) == "test" or line["target"].lower() in _NONE:
            unlabeled.add(line["fname"])
            continue
        try:
            by_image[line["fname"]].append(_row(number, line))
        except ValueError as error:
            faults.append(f"row {number} {error}")
    refuse(table, "rows that cannot be understood", faults, "fix them")
    if unlabeled:
        logger.info("%s: images without a label are left out (%s).", table, name_first(sorted(unlabeled)))
    conflicts = [text for rows in by_image.values() if (text := _conflict(rows))]
    refuse(table, "rows of one image that contradict each other", conflicts, "make them agree")
    paths = _paths(table.parent, list(by_image))
    items = []
    for listed in sorted(by_image, key=natural_key):
        path, rows = paths[listed], by_image[listed]
        name, boxes = path.relative_to(table.parent).as_posix(), [row.box for row in rows if row.box is not None]
        types, first = [row.box_type for row in rows], rows[0]
        items.append(
            datalist_item(path, name, first.class_name, first.split, num_classes, boxes, types, drawn_on=first.size)
        )
    return items


def _row(number: int, line: dict[str, str]) -> _Row:
    name = PurePosixPath(line["fname"])
    strange = not name.parts or ".." in name.parts or name.is_absolute() or "\\" in line["fname"]
    if strange or any(len(os.fsencode(part)) > 255 for part in name.parts):
        raise ValueError(f"names the image {line['fname'][:60]!r} (expected a name like tb0005.png)")
    split, class_name = split_of(line["source"]), class_of(line["image_type"])
    if split is None:
        raise ValueError(f"has the source {line['source']!r} (expected train, val or test)")
    if class_name is None:
        raise ValueError(f"has the image_type {line['image_type']!r} (expected one of {known_words()})")
    if _TARGETS.get(line["target"].lower().replace("-", "_")) is not (class_name == "tb"):
        raise ValueError(f"has the target {line['target']!r} and the image_type {line['image_type']!r}")
    size = (_length(line["image_height"], "image_height"), _length(line["image_width"], "image_width"))
    box = _box(line["bbox"])
    if box is not None and class_name != "tb":
        raise ValueError(f"has a box and the image_type {line['image_type']!r} (only TB images have boxes)")
    word = line["tb_type"]
    box_type = box_type_of(word) or (word if word.lower() not in _NONE else "unspecified")
    return _Row(number, line["fname"], size, split, class_name, box, box_type)


def _length(text: str, what: str) -> float:
    try:
        length = float(text)
    except ValueError:
        length = math.nan
    if not (math.isfinite(length) and length > 0):
        raise ValueError(f"has {what} {text!r} (expected a number of pixels)")
    return length


def _box(text: str) -> list[float] | None:
    if text.lower() in _NONE:
        return None
    try:
        box = ast.literal_eval(text)
        x, y, width, height = (float(box[edge]) for edge in ("xmin", "ymin", "width", "height"))
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise ValueError(
            f"has the bbox {text[:60]!r} (expected none, or {{'xmin': 0, 'ymin': 0, 'width': 9, 'height': 9}})"
        ) from error
    if not all(math.isfinite(number) for number in (x, y, width, height)):
        raise ValueError(f"has the bbox {text[:60]!r} (expected finite numbers)")
    return [x, y, x + width, y + height]


def _conflict(rows: list[_Row]) -> str | None:
    numbers = ", ".join(str(row.number) for row in rows)
    for what in ("class_name", "split", "size"):
        found = {str(getattr(row, what)) for row in rows}
        if len(found) > 1:
            return f"{rows[0].name} has {' and '.join(sorted(found))} in rows {numbers}"
    if len(rows) > 1 and any(row.box is None for row in rows):
        return f"{rows[0].name} has a box and none in rows {numbers}"
    return None


def _paths(folder: Path, names: list[str]) -> dict[str, Path]:
    found = {name: folder / "images" / name for name in names if (folder / "images" / name).is_file()}
    rest = [name for name in names if name not in found]
    below: dict[str, list[str]] = defaultdict(list)
    for path in images_in(folder) if rest else []:
        below[image_stem(path.name)].append(path.relative_to(folder).as_posix())
    several = []
    for name in rest:
        alike = below[image_stem(PurePosixPath(name).name)]
        own = [each for each in alike if each == name or each.endswith(f"/{name}")]
        # Saved in another format: tb1.jpg for tb1.png.
        own = own or [each for each in alike if f"/{image_stem(each)}".endswith(f"/{image_stem(name)}")]
        if len(own) > 1:
            several.append(f"{name} is {' and '.join(own)}")
        # An image that is not there keeps the path where it should be, for check_datalist to name.
        found[name] = folder / (own[0] if len(own) == 1 else f"images/{name}")
    refuse(folder, "listed images of which there are several", several, "keep one")
    return found
