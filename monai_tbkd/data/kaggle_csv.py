"""TBX11K as Kaggle's "simplified" copies have it: one folder of films and a table with a row a box."""

from __future__ import annotations

import ast
import csv
import logging
import math
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from monai_tbkd.data.absolute_path import absolute_path
from monai_tbkd.data.box_types import box_type_of
from monai_tbkd.data.datalist_error import DatalistError, name_first
from monai_tbkd.data.datalist_item import DatalistItem, datalist_item
from monai_tbkd.data.film_classes import class_of, known_words
from monai_tbkd.data.film_folder import film_stem, list_films
from monai_tbkd.data.natural_order import natural_key
from monai_tbkd.data.outside_text import csv_columns, read_csv
from monai_tbkd.data.split_words import split_of
from monai_tbkd.data.tbx11k_annotations import FilmAnnotation

logger = logging.getLogger(__name__)

_COLUMNS = ("fname", "image_height", "image_width", "source", "bbox", "target", "tb_type", "image_type")
_SIGNS = {"fname", "bbox", "target"}
_EDGES = ("xmin", "ymin", "width", "height")
_TARGETS = {"tb": True, "no_tb": False, "non_tb": False}
_NONE = ("", "none", "nan")


@dataclass(frozen=True)
class _Row:
    number: int
    film: str
    size: tuple[float, float]
    split: str
    class_name: str
    box: list[float] | None
    box_type: str


def is_kaggle_csv(path: Path) -> bool:
    """Whether a file is a CSV table with the columns ``fname``, ``bbox`` and ``target``.

    Args:
        path: a file.

    Returns:
        False for what cannot be read as well.
    """
    try:
        return path.suffix.lower() == ".csv" and _SIGNS.issubset(csv_columns(path))
    except (OSError, csv.Error):
        return False


def load_kaggle_csv(csv_path_or_root: str | os.PathLike[str], num_classes: int = 2) -> list[DatalistItem]:
    """Read a table with the columns ``fname, image_height, image_width, source, bbox, target, tb_type, image_type``.

    Each row is a box, or a film without one (``bbox`` is ``none``); the rows of a film are merged. ``bbox`` is
    ``{'xmin': ..., 'ymin': ..., 'width': ..., 'height': ...}`` in pixels of ``image_width`` x ``image_height`` and is
    scaled to the film file. ``source`` is the split; rows of a test split, or without ``target``, have no label and are
    left out. The class is that of ``image_type`` (``sick_but_no_tb`` and ``sick_but_non_tb`` alike). Films are in
    ``images`` beside the table, or anywhere below its folder.

    Args:
        csv_path_or_root: the table, or the folder with one such table in it.
        num_classes: label scheme, see `class_label`.

    Returns:
        Data list items; ``name`` is the path under the table's folder.

    Raises:
        DatalistError: no such table, a row that cannot be understood, rows of one film that contradict each other, or
            two films of one name.

    Example:
        >>> load_kaggle_csv("tbx11k-simplified/data.csv")  # doctest: +SKIP
    """
    table = _table(absolute_path(csv_path_or_root))
    rows, faults, unlabeled = _rows(table)
    if faults:
        raise DatalistError(f"{table}: rows that cannot be understood ({name_first(faults)}); mend them.")
    if unlabeled:
        logger.info("%s: films without a label are left out (%s).", table, name_first(sorted(unlabeled)))
    by_film: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        by_film[row.film].append(row)
    conflicts = [text for film, each in by_film.items() if (text := _conflict(film, each))]
    if conflicts:
        raise DatalistError(
            f"{table}: rows of one film that contradict each other ({name_first(conflicts)}); make them agree."
        )
    paths = _film_paths(table.parent, list(by_film))
    return [
        _item(paths[film], paths[film].relative_to(table.parent).as_posix(), by_film[film], num_classes)
        for film in sorted(by_film, key=natural_key)
    ]


def _table(path: Path) -> Path:
    if not path.is_dir():
        return path
    tables = sorted(each for each in path.glob("*.csv") if is_kaggle_csv(each))
    if len(tables) != 1:
        raise DatalistError(
            f"{path}: {len(tables)} tables with the columns {', '.join(sorted(_SIGNS))}; expected one, so give the "
            "path of the table itself."
        )
    return tables[0]


def _rows(table: Path) -> tuple[list[_Row], list[str], set[str]]:
    try:
        columns, found = read_csv(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatalistError(f"{table}: cannot be read as a UTF-8 CSV file ({error}); check the path.") from error
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise DatalistError(f"{table}: no column {' and '.join(missing)}; expected {', '.join(_COLUMNS)}.")
    double = [name for name in _COLUMNS if columns.count(name) > 1]
    if double:
        raise DatalistError(f"{table}: several columns of one name ({name_first(double)}); keep one of them.")
    lines = [{name: line[name].strip() for name in _COLUMNS} for line in found]
    rows: list[_Row] = []
    faults: list[str] = []
    unlabeled: set[str] = set()
    for number, line in enumerate(lines, start=2):
        if split_of(line["source"]) == "test" or line["target"].lower() in _NONE:
            unlabeled.add(line["fname"])
            continue
        try:
            rows.append(_row(number, line))
        except ValueError as error:
            faults.append(f"row {number} {error}")
    return rows, faults, unlabeled


def _row(number: int, line: dict[str, str]) -> _Row:
    parts = PurePosixPath(line["fname"]).parts
    if (
        not parts
        or ".." in parts
        or PurePosixPath(line["fname"]).is_absolute()
        or "\\" in line["fname"]
        or max(map(len, map(os.fsencode, parts))) > 255
    ):
        raise ValueError(f"names the film {line['fname'][:60]!r} (expected a name like tb0005.png)")
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
        raise ValueError(f"has a box and the image_type {line['image_type']!r} (only TB films have boxes)")
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
        x, y, width, height = (float(box[edge]) for edge in _EDGES)
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise ValueError(
            f"has the bbox {text[:60]!r} (expected none, or {{'xmin': 0, 'ymin': 0, 'width': 9, 'height': 9}})"
        ) from error
    if not all(math.isfinite(number) for number in (x, y, width, height)):
        raise ValueError(f"has the bbox {text[:60]!r} (expected finite numbers)")
    return [x, y, x + width, y + height]


def _conflict(film: str, rows: list[_Row]) -> str | None:
    for what in ("class_name", "split", "size"):
        found = {str(getattr(row, what)) for row in rows}
        if len(found) > 1:
            return f"{film} has {' and '.join(sorted(found))} in rows {', '.join(str(row.number) for row in rows)}"
    if len(rows) > 1 and any(row.box is None for row in rows):
        return f"{film} has a box and none in rows {', '.join(str(row.number) for row in rows)}"
    return None


def _film_paths(folder: Path, films: list[str]) -> dict[str, Path]:
    found = {film: folder / "images" / film for film in films if (folder / "images" / film).is_file()}
    rest = [film for film in films if film not in found]
    below: dict[str, list[str]] = defaultdict(list)
    if rest:
        try:
            for each in list_films(folder):
                below[film_stem(PurePosixPath(each["name"]).name)].append(each["name"])
        except ValueError:
            logger.debug("%s: no film below the folder.", folder)
    several = []
    for film in rest:
        alike = below[film_stem(PurePosixPath(film).name)]
        names = [name for name in alike if name == film or name.endswith(f"/{film}")]
        # Saved in another format: tb1.jpg for tb1.png.
        names = names or [name for name in alike if f"/{film_stem(name)}".endswith(f"/{film_stem(film)}")]
        if len(names) > 1:
            several.append(f"{film} is {' and '.join(names)}")
        # A film that is not there keeps the place where it should be, for check_datalist to name.
        found[film] = folder / (names[0] if len(names) == 1 else f"images/{film}")
    if several:
        raise DatalistError(f"{folder}: listed films of which there are several ({name_first(several)}); keep one.")
    return found


def _item(path: Path, name: str, rows: list[_Row], num_classes: int) -> DatalistItem:
    first = rows[0]
    item = datalist_item(path, name, first.class_name, first.split, num_classes)
    boxes = [row.box for row in rows if row.box is not None]
    if boxes and item["size"] is not None:
        types = [row.box_type for row in rows]
        item["boxes"] = FilmAnnotation(boxes, types, first.size).scaled_to(*item["size"])
        item["box_types"] = types
    return item
