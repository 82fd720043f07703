"""Data sets with YOLO's labels: a text file a film, a box a line, in fractions of the film."""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path

import yaml

from monai_tbkd.data.absolute_path import absolute_path
from monai_tbkd.data.box_types import box_type_of
from monai_tbkd.data.class_folders import split_of
from monai_tbkd.data.datalist_error import DatalistError, name_first
from monai_tbkd.data.datalist_item import Boxes, DatalistItem, datalist_item
from monai_tbkd.data.film_classes import CLASS_NAMES, class_of, known_words
from monai_tbkd.data.film_folder import list_films
from monai_tbkd.data.natural_order import natural_key

logger = logging.getLogger(__name__)

_NAME_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "classes.txt", "labels/classes.txt")
_TOLERANCE = 0.002
"""How far over the film's edge a box may reach through rounding, as a fraction of the film; it is clipped."""

_Label = tuple[str, list[float], str]  # class, box in fractions, type of the box


def is_yolo(root: Path) -> bool:
    """Whether a folder has ``images`` beside ``labels``, at the top or in folders of splits."""
    return bool(_image_folders(root))


def load_yolo(root: str | os.PathLike[str], num_classes: int = 2) -> list[DatalistItem]:
    """Read ``images/{train,val,test}/*`` with ``labels/{train,val,test}/*.txt`` (or ``{train,val,test}/images``, ...).

    A line of a label file is ``class x y width height``, the center and size of a box in fractions of the film, or
    ``class x1 y1 x2 y2 x3 y3 ...``, a polygon, of which the enclosing box is taken. Names of the classes come from
    ``data.yaml``, ``dataset.yaml`` (``names``) or ``classes.txt``; each must be a word that `class_of` or
    `box_type_of` knows. Paths in the YAML are not looked at.

    The class of a film: the folder that it is in below the split, if that is a word that `class_of` knows
    (``images/train/tb/a.png``); else that of its labels (a TB box makes a TB film, boxes of other classes only say
    what the film is and are dropped); else, with an empty label file or none, health.

    Args:
        root: the folder.
        num_classes: label scheme, see `class_label`.

    Returns:
        Data list items; ``name`` is the path under `root`.

    Raises:
        DatalistError: no such folder, no names, a name that says nothing, a line that cannot be understood, a class
            or a number out of range, labels of films that are not there, or a folder and a label that contradict
            each other.

    Example:
        >>> load_yolo("my_yolo_films")  # doctest: +SKIP
    """
    root = absolute_path(root)
    folders = _image_folders(root)
    if not folders:
        raise DatalistError(f"{root}: no folder images beside a folder labels; check dataset_dir.")
    names = _class_names(root)
    faults: list[str] = []
    used: set[Path] = set()
    items = []
    for split, images, labels in folders:
        for path in _films(images):
            label_file = (labels / path.relative_to(images)).with_suffix(".txt")
            used.add(label_file)
            try:
                found = _read_labels(label_file, names)
                class_name = _film_class(path.relative_to(images).parts[:-1], found)
            except ValueError as error:
                faults.append(f"{label_file.relative_to(root).as_posix()} {error}")
                continue
            items.append(_item(root, path, class_name, split, num_classes, found))
    if faults:
        raise DatalistError(f"{root}: labels that cannot be understood ({name_first(faults)}); mend them.")
    orphans = [
        path.relative_to(root).as_posix()
        for labels in sorted({labels for _, _, labels in folders})
        for path in sorted(labels.rglob("*.txt"))
        if path not in used and path.name != "classes.txt"
    ]
    if orphans:
        raise DatalistError(f"{root}: labels without a film ({name_first(orphans)}); add the films or take them away.")
    return sorted(items, key=lambda item: natural_key(item["name"]))


def _image_folders(root: Path) -> list[tuple[str, Path, Path]]:
    """(split, folder of films, folder of labels) each."""
    images, labels = root / "images", root / "labels"
    if images.is_dir() and labels.is_dir():
        inner = [path for path in sorted(images.iterdir()) if path.is_dir() and split_of(path.name)]
        found = [(split_of(path.name) or "", path, labels / path.name) for path in inner]
        return found or [("train", images, labels)]
    splits = [path for path in sorted(root.iterdir()) if split_of(path.name)] if root.is_dir() else []
    return [
        (split_of(path.name) or "", path / "images", path / "labels")
        for path in splits
        if (path / "images").is_dir() and (path / "labels").is_dir()
    ]


def _films(folder: Path) -> list[Path]:
    try:
        return [Path(film["image"]) for film in list_films(folder)]
    except ValueError:
        return []


def _class_names(root: Path) -> list[tuple[str, str]]:
    """(class, type of a TB box) for each number."""
    path = next((root / name for name in _NAME_FILES if (root / name).is_file()), None)
    if path is None:
        raise DatalistError(f"{root}: no data.yaml, dataset.yaml or classes.txt; write one that names the classes.")
    try:
        text = path.read_text(encoding="utf-8")
        words = text.splitlines() if path.suffix == ".txt" else _yaml_names(yaml.safe_load(text))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise DatalistError(f"{path}: names of classes cannot be read ({error}); expected names: [tb].") from error
    words = [word.strip() for word in words if word.strip()]
    unknown = [word for word in words if not (class_of(word) or box_type_of(word))]
    if unknown or not words:
        raise DatalistError(
            f"{path}: {f'unknown names of classes ({name_first(unknown)})' if words else 'no names of classes'}; "
            f"expected active_tb, latent_tb or one of {known_words()}."
        )
    return [(class_of(word) or "tb", box_type_of(word) or "unspecified") for word in words]


def _yaml_names(content: object) -> list[str]:
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        return [str(name) for name in names]
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        return [str(names[number]) for number in range(len(names))]
    raise ValueError("no names, a list or a mapping of 0, 1, 2, ... to words")


def _read_labels(path: Path, names: list[tuple[str, str]]) -> list[_Label]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read as text ({error})") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(_label(line.split(), names))
            except ValueError as error:
                raise ValueError(f"line {number} {error}") from error
    return found


def _label(words: list[str], names: list[tuple[str, str]]) -> _Label:
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise ValueError(f"is {' '.join(words)[:60]!r} (expected numbers)") from error
    if len(numbers) != 5 and (len(numbers) < 7 or len(numbers) % 2 == 0):
        raise ValueError(f"has {len(numbers)} numbers (expected class, x, y, width, height, or class and a polygon)")
    if numbers[0] not in range(len(names)):
        raise ValueError(f"has the class {words[0]} (expected 0 to {len(names) - 1})")
    fractions = numbers[1:]
    if not all(math.isfinite(each) and -_TOLERANCE <= each <= 1 + _TOLERANCE for each in fractions):
        raise ValueError(f"has {' '.join(words[1:])[:60]} (expected fractions of the film, 0 to 1)")
    if len(fractions) == 4:
        x, y, width, height = fractions
        box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    else:
        xs, ys = fractions[::2], fractions[1::2]
        box = [min(xs), min(ys), max(xs), max(ys)]
    if min(box) < -_TOLERANCE or max(box) > 1 + _TOLERANCE or box[2] <= box[0] or box[3] <= box[1]:
        raise ValueError(f"has a box outside the film or without area ({' '.join(words[1:])[:60]})")
    class_name, box_type = names[int(numbers[0])]
    return class_name, [min(max(edge, 0.0), 1.0) for edge in box], box_type


def _film_class(folders: tuple[str, ...], labels: list[_Label]) -> str:
    by_labels = max((name for name, _, _ in labels), key=CLASS_NAMES.index, default=None)
    by_folder = next((name for folder in reversed(folders) if (name := class_of(folder))), None)
    if by_folder and by_labels and by_folder != by_labels:
        raise ValueError(f"says {by_labels} and the film is in a folder of {by_folder} films")
    return by_folder or by_labels or "health"


def _item(root: Path, path: Path, class_name: str, split: str, num_classes: int, labels: list[_Label]) -> DatalistItem:
    item = datalist_item(path, path.relative_to(root).as_posix(), class_name, split, num_classes)
    boxes: Boxes = [box for name, box, _ in labels if name == "tb"]
    if boxes and item["size"] is not None:
        height, width = item["size"]
        item["boxes"] = [[b[0] * width, b[1] * height, b[2] * width, b[3] * height] for b in boxes]
        item["box_types"] = [box_type for name, _, box_type in labels if name == "tb"]
    return item
