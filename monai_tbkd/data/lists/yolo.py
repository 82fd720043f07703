"""Data sets with YOLO's labels: a text file an image, a box a line, in fractions of the image."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.data.lists.datalist_error import DatalistError, name_first, refuse, refused_unless_read
from monai_tbkd.data.lists.datalist_item import DatalistItem, datalist_item
from monai_tbkd.data.lists.dataset_files import existing_folder
from monai_tbkd.data.lists.image_classes import (
    CLASS_NAMES,
    box_type_of,
    class_of,
    known_words,
)
from monai_tbkd.data.lists.yolo_images import image_folders, label_folders, yolo_images

_NAME_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "classes.txt", "labels/classes.txt")
_TOLERANCE = 0.002
"""How far over the image's edge a box may reach through rounding, as a fraction of the image; it is clipped."""

_Names = list[tuple[str, str] | None]
"""(class, type of a TB box) for each number, None for a number without a name."""
_Label = tuple[str, list[float], str]  # class, box in fractions, type of the box


def is_yolo(root: Path) -> bool:
    """Whether a folder has ``images`` beside ``labels`` or ``data.yaml``, at the top or in folders of splits."""
    return any(labels or _settings_file(root) for _, labels in image_folders(root))


def load_yolo(root: str | os.PathLike[str]) -> list[DatalistItem]:
    """Read ``images/{train,val,test}/*`` with ``labels/{train,val,test}/*.txt`` (or ``{train,val,test}/images``, ...).

    A line of a label file is ``class x y width height``, the center and size of a box in fractions of the image, or
    ``class x1 y1 x2 y2 x3 y3 ...``, a polygon, of which the enclosing box is taken. Names of the classes come from
    ``data.yaml``, ``dataset.yaml`` (``names``) or ``classes.txt``; each must be a word that `class_of` or
    `box_type_of` knows. ``train``, ``val`` and ``test`` in the YAML name the splits: folders, or text files with one
    image a line. Without them the folders' own names do. Case does not count in names of label files and folders.

    The class of an image: the folder that it is in below the split, if that is a word that `class_of` knows
    (``images/train/tb/a.png``); else that of its labels (a TB box makes a TB image, boxes of other classes only say
    what the image is and are dropped); else, with an empty label file, health. An image without a label file is of the
    class that ``background`` in the YAML names (health or sick), if its split has any label file; else it is an error.

    ``name`` is the path under `root`.

    Raises:
        DatalistError: no such folder, no or contradicting names of classes, a line that cannot be understood, images
            without a label file or in no split, label files of no image, or a folder and a label that contradict.
    """
    root = existing_folder(root)
    settings_file = _settings_file(root)
    settings = _settings(settings_file)
    images, unread = yolo_images(root, settings)
    if not images and not image_folders(root):
        raise DatalistError(f"{root}: no folder images beside a folder labels; check dataset_dir.")
    names = _class_names(root, settings_file, settings)
    _refuse_other_names(root, settings_file, names)
    word = settings.get("background")  # the class of images without a label file
    background = None if word is None else class_of(str(word))
    if word is not None and background not in ("health", "sick"):
        raise DatalistError(f"{settings_file}: background is {str(word)[:40]!r}; expected health or sick.")
    if settings.get("kpt_shape"):
        raise DatalistError(
            f"{settings_file}: kpt_shape, so the labels hold keypoints, which are not read; keep class, x, y, width, "
            "height of each line, and take kpt_shape away."
        )
    labeled_splits = {image.split for image in images if image.label}
    faults: list[str] = []
    unlabeled: list[str] = []
    items = []
    for image in images:
        folder_classes = [each for folder in image.inner.parts[:-1] if (each := class_of(folder))]
        folder_class = folder_classes[-1] if folder_classes else None
        default = folder_class or (background if image.split in labeled_splits else None)
        if len(set(folder_classes)) > 1:
            faults.append(f"{image.name} is in folders of {' and '.join(folder_classes)}")
        elif image.label is None and default is None:
            unlabeled.append(image.name)
        else:
            try:
                labels = _read_labels(image.label, names) if image.label else []
                class_of_labels = max((kind for kind, _, _ in labels), key=CLASS_NAMES.index, default=folder_class)
                if folder_class and class_of_labels != folder_class:
                    raise ValueError(f"says {class_of_labels} and the image is in a folder of {folder_class} images")
            except ValueError as error:
                faults.append(f"{(image.label or image.path).relative_to(root).as_posix()} {error}")
                continue
            class_name = (class_of_labels if image.label else default) or "health"
            boxes = [box for kind, box, _ in labels if kind == "tb"]
            types = [box_type for kind, _, box_type in labels if kind == "tb"]
            item = datalist_item(image.path, image.name, class_name, image.split, boxes, types, drawn_on=(1, 1))
            items.append(item)
    refuse(root, "labels that cannot be understood", faults, "fix them")
    sentences = []
    if unlabeled:
        sentences.append(
            f"images without a label file ({name_first(unlabeled)}); add labels/.../NAME.txt for each, empty for a "
            "healthy image, or, if all of them are healthy and their split has label files, write background: health "
            "into data.yaml"
        )
    if unread:
        named = name_first(path.relative_to(root).as_posix() for path in sorted(unread))
        sentences.append(
            f"label files that belong to no image ({named}); only .txt files in labels are read, each at the place "
            "that its image has in images, so move or convert them, or take them away"
        )
    if sentences:
        raise DatalistError(f"{root}: {'. Also: '.join(sentences)}.")
    return items


# ---------------------------------------------------------------- names of classes


def _settings_file(root: Path) -> Path | None:
    return next((root / name for name in _NAME_FILES if (root / name).is_file()), None)


def _settings(path: Path | None) -> dict[str, Any]:
    """The content of ``data.yaml``; of ``classes.txt`` its lines as ``names``."""
    if path is None:
        return {}
    with refused_unless_read(path, "names of classes cannot be read", "expected names: [tb]"):
        text = read_text(path)
        lines = {"names": text.splitlines()} if text.strip() else {}
        content = lines if path.suffix == ".txt" else yaml.safe_load(text)
    return content if isinstance(content, dict) else {}


def _class_names(root: Path, path: Path | None, settings: Mapping[str, Any]) -> _Names:
    if path is None:
        raise DatalistError(f"{root}: no data.yaml, dataset.yaml or classes.txt; write one that names the classes.")
    names = settings.get("names")
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list):
        raise DatalistError(f"{path}: no names, a list or a mapping of 0, 1, 2, ... to words; expected names: [tb].")
    words = ["" if name is None else str(name).strip() for name in names]
    unknown = [word for word in words if word and not (class_of(word) or box_type_of(word))]
    if unknown or not any(words):
        raise DatalistError(
            f"{path}: {f'unknown names of classes ({name_first(unknown)})' if unknown else 'no names of classes'}; "
            f"expected active_tb, latent_tb or one of {known_words()}."
        )
    return [(class_of(word) or "tb", box_type_of(word) or "unspecified") if word else None for word in words]


def _refuse_other_names(root: Path, used: Path | None, names: _Names) -> None:
    """Refuse a second file of names, as classes.txt beside data.yaml, that gives the numbers other classes."""
    files = [root / name for name in _NAME_FILES[:5]]
    files += [path for folder in label_folders(root) for path in sorted(folder.rglob("classes.txt"))]
    for path in files:
        if path == used or not path.is_file() or "names" not in (settings := _settings(path)):
            continue
        try:
            pairs = list(zip_longest(_class_names(root, path, settings), names))
            # a type that one file does not specify agrees with any
            same = all(a == b or (a and b and a[0] == b[0] and "unspecified" in (a[1], b[1])) for a, b in pairs)
        except DatalistError:
            same = False
        if not same:
            raise DatalistError(
                f"{path}: other names of classes than in {used}; make them agree, or take away the one that is wrong."
            )


# ---------------------------------------------------------------- content of a label file


def _read_labels(path: Path, names: _Names) -> list[_Label]:
    try:
        lines = read_text(path).splitlines()
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


def _label(words: list[str], names: _Names) -> _Label:
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise ValueError(f"is {' '.join(words)[:60]!r} (expected numbers)") from error
    if len(numbers) != 5 and (len(numbers) < 7 or len(numbers) % 2 == 0):
        raise ValueError(f"has {len(numbers)} numbers (expected class, x, y, width, height, or class and a polygon)")
    if numbers[0] not in range(len(names)):
        raise ValueError(f"has the class {words[0]} (expected 0 to {len(names) - 1})")
    fractions, written = numbers[1:], " ".join(words[1:])[:60]
    if not all(math.isfinite(each) and -_TOLERANCE <= each <= 1 + _TOLERANCE for each in fractions):
        raise ValueError(f"has {written} (expected fractions of the image, 0 to 1)")
    if len(fractions) > 4 and _has_keypoints(fractions):
        raise ValueError("seems to be a box and keypoints or a box and a polygon (expected one of them)")
    box = _corners(fractions) if len(fractions) == 4 else _around(fractions)
    if not _is_inside(box):
        raise ValueError(f"has a box outside the image or without area ({written})")
    name = names[int(numbers[0])]
    if name is None:
        raise ValueError(f"has the class {words[0]}, whose name is blank (expected a name for each number)")
    return name[0], [min(max(edge, 0.0), 1.0) for edge in box], name[1]


def _corners(fractions: list[float]) -> list[float]:
    x, y, width, height = fractions
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def _around(points: list[float]) -> list[float]:
    xs, ys = points[::2], points[1::2]
    return [min(xs), min(ys), max(xs), max(ys)]


def _is_inside(box: list[float]) -> bool:
    return min(box) >= -_TOLERANCE and max(box) <= 1 + _TOLERANCE and box[2] > box[0] and box[3] > box[1]


def _has_keypoints(fractions: list[float]) -> bool:
    """Whether numbers are a box and points within, and not a polygon: the box of the points, or x, y, 0 or 1 each."""
    box, rest = _corners(fractions[:4]), fractions[4:]
    if max(abs(a - b) for a, b in zip(box, _around(rest), strict=True)) <= _TOLERANCE:
        return True
    return _is_inside(box) and len(rest) % 3 == 0 and all(flag in (0, 1) for flag in rest[2::3])
