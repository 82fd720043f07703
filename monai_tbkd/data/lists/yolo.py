"""Data sets with YOLO's labels: a text file an image, a box a line, in fractions of the image."""

from __future__ import annotations

import logging
import math
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.data.files.paths import absolute_path, natural_key
from monai_tbkd.data.lists.datalist_error import DatalistError, name_first, refuse, refused_unless_read
from monai_tbkd.data.lists.datalist_item import DatalistItem, datalist_item
from monai_tbkd.data.lists.dataset_files import existing_folder, files_below, images_in, subfolders, text_lines
from monai_tbkd.data.lists.image_classes import (
    CLASS_NAMES,
    SPLITS,
    box_type_of,
    class_of,
    is_split_word,
    known_words,
    split_of,
)
from monai_tbkd.data.readers.image_folder import image_stem

logger = logging.getLogger(__name__)

_NAME_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "classes.txt", "labels/classes.txt")
_TOLERANCE = 0.002
"""How far over the image's edge a box may reach through rounding, as a fraction of the image; it is clipped."""

_Names = list[tuple[str, str] | None]
"""(class, type of a TB box) for each number, None for a number without a name."""
_Label = tuple[str, list[float], str]  # class, box in fractions, type of the box
_Folders = tuple[Path, Path | None]  # of images, and of labels beside it


class _Image(NamedTuple):
    path: Path
    name: str  # path below the data set
    inner: Path  # path below the folder images
    split: str
    label: Path | None  # file; None where there is none


def is_yolo(root: Path) -> bool:
    """Whether a folder has ``images`` beside ``labels`` or ``data.yaml``, at the top or in folders of splits."""
    return any(labels or _settings_file(root) for _, labels in _image_folders(root))


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
    images, unread = _images(root, settings)
    if not images and not _image_folders(root):
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
    files += [path for folder in _label_folders(root) for path in sorted(folder.rglob("classes.txt"))]
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


# ---------------------------------------------------------------- images, their splits and label files


def _images(root: Path, settings: Mapping[str, Any]) -> tuple[list[_Image], list[Path]]:
    """Find the images, and files that look like labels and are not read.

    The latter are text files in folders ``labels`` that belong to no image; any file with the name of an image without
    labels, in folders ``label``, ``labels_new``, ..., and with ``background`` also elsewhere (there, pictures do not
    count).
    """
    named, listed, dead = _named_splits(root, settings)
    pairs = _image_folders(root, named)
    found: list[_Image] = []
    unread: list[Path] = []
    for folder, labels in pairs:
        paths = images_in(folder)
        splits = _splits(root, folder, paths, named, listed)
        of_image, rest = _label_files(root, folder, labels, paths)
        unread += rest
        for path in paths:
            name, inner = path.relative_to(root).as_posix(), path.relative_to(folder)
            found.append(_Image(path, name, inner, splits[path], of_image.get(path)))
    _check_dead_entries(root, dead, {image.split for image in found})
    outside = sorted(listed.keys() - {image.path for image in found})
    refuse(root, "listed images outside of the folders images", outside, "move them there")
    stray = [
        folder.name
        for folder in subfolders(root)
        if found
        and is_split_word(folder.name)
        and not any(image.path.is_relative_to(folder) for image in found)
        and images_in(folder)
    ]
    refuse(root, "folders of a split without a folder images", stray, "put their images into images")
    beside = {labels for _, labels in pairs}
    unread += [file for folder in _label_folders(root) if folder not in beside for file in _texts(folder)]
    of_unlabeled = _of_unlabeled(root, found, [folder for folder, _ in pairs], "background" in settings)
    unread += [file for file in of_unlabeled if file not in unread]
    return sorted(found, key=lambda image: natural_key(image.name)), unread


def _label_folders(root: Path) -> list[Path]:
    """The folders ``labels`` at the top of a data set and in the folders there."""
    return [labels for home in [root, *subfolders(root)] for labels in _called(home, "labels")]


def _image_folders(root: Path, named: Collection[Path] = ()) -> list[_Folders]:
    found: list[_Folders] = []
    for home in [root, *(folder for folder in subfolders(root) if not class_of(folder.name))]:
        labels = next(iter(_called(home, "labels")), None)
        # A folder such as docs/images is no part of the data set.
        known = home == root or labels or is_split_word(home.name) or any(each.is_relative_to(home) for each in named)
        found += [(images, labels) for images in _called(home, "images") if known]
    return found


def _called(folder: Path, name: str) -> list[Path]:
    return [path for path in subfolders(folder) if path.name.lower() == name]


def _named_splits(
    root: Path, settings: Mapping[str, Any]
) -> tuple[dict[Path, str], dict[Path, str], list[tuple[str, str]]]:
    """The splits of folders and of listed images in ``data.yaml``, and (split, entry) of what leads nowhere."""
    folders: dict[Path, str] = {}
    images: dict[Path, str] = {}
    absent, dead = [], []
    home = str(settings.get("path") or "")
    for split in SPLITS:
        value = settings.get(split) or []
        for entry in value if isinstance(value, list) else [value]:
            position = _below(root, f"{home}/{entry}") or _below(root, str(entry))
            if position is not None and position.is_dir():
                # Where train and val name one folder, as small examples do, it is train.
                folders.setdefault(position, split)
            elif position is None or position.suffix.lower() != ".txt":
                dead.append((split, str(entry)))
            else:
                for line in text_lines(position):
                    image = _there(root, position.parent / line) or _below(root, line)
                    if image is None or image.is_dir():
                        absent.append(f"{position.relative_to(root).as_posix()}: {line}")
                    elif images.setdefault(image, split) != split:
                        absent.append(f"{line} is in {images[image]} and in {split}")
    refuse(root, "listed images that do not exist", absent, "fix the lists")
    return folders, images, dead


def _check_dead_entries(root: Path, dead: list[tuple[str, str]], found: set[str]) -> None:
    """Refuse entries that lead nowhere, but not folders of a split that is found by the names of folders."""
    named = [f"{split}: {entry[:80]}" for split, entry in dead]
    lost = {split for split, entry in dead if split not in found or Path(entry).suffix}
    if lost == {"test"} and found == {"train", "val"} and not any(Path(entry).suffix for _, entry in dead):
        lost = set()  # exports often name a test folder that they do not have
    fix = "expected a folder or a text file below the data set, so fix them or take them away"
    refuse(root, "entries of data.yaml that lead nowhere", named if lost else [], fix)
    if dead:
        logger.warning("%s: entries of data.yaml that lead nowhere (%s).", root, name_first(named))


def _there(root: Path, path: Path) -> Path | None:
    """A file or folder below `root`, None where there is none."""
    path = absolute_path(path)
    try:
        return path if path.is_relative_to(root) and path.exists() else None
    except OSError:  # a name that is too long
        return None


def _below(root: Path, text: str) -> Path | None:
    """What a path means below `root`; it may be of another machine, so leading parts may be left out."""
    parts = [part for part in PurePosixPath(text.replace("\\", "/")).parts if part not in ("/", ".", "..")]
    found = (_there(root, root.joinpath(*parts[start:])) for start in range(len(parts)))
    return next((path for path in found if path), None) if parts else root


def _splits(
    root: Path, images: Path, paths: Sequence[Path], named: Mapping[Path, str], listed: Mapping[Path, str]
) -> dict[Path, str]:
    """The split of each image: by a list, else by the nearest folder that is named, or whose name is a split."""
    if not listed:
        tops = dict.fromkeys(_top(root, images, path) for path in paths)
        named = {top: word for top in tops if (word := split_of(top.name))} | dict(named)
        if not named and images.parent == root:  # one split, perhaps with folders of classes
            named = {top: "train" for top in tops if top == images or class_of(top.name)}
    found: dict[Path, str] = {}
    strange: dict[str, None] = {}
    torn: dict[str, None] = {}
    for path in paths:
        home = next((folder for folder in path.parents if folder in named), None)
        if path in listed:
            found[path] = listed[path]
        elif home is None:
            top = path if listed else images if images.parent != root else _top(root, images, path)
            strange[top.relative_to(root).as_posix()] = None
        else:
            found[path] = named[home]
            for folder in path.parents[: path.parents.index(home)]:
                if is_split_word(folder.name) and split_of(folder.name) != named[home]:
                    torn[f"{folder.relative_to(root).as_posix()} in {named[home]}"] = None
    fix = "name each in data.yaml under train, val or test (train: images takes all), or call its folder so"
    refuse(root, "images that are in no split", strange, fix)
    refuse(root, "folders of another split within a split", torn, "put the split's folder above")
    return found


def _top(root: Path, images: Path, path: Path) -> Path:
    """The folder that may be a split: ``train`` of ``images/train/...`` and of ``train/images/...``."""
    if images.parent != root:
        return images.parent
    inner = path.relative_to(images).parts
    return images / inner[0] if len(inner) > 1 else images


def _texts(folder: Path) -> list[Path]:
    """Text files below a folder that may be labels."""
    texts = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() == ".txt")
    return [path for path in texts if path.is_file() and path.name.lower() != "classes.txt"]


def _label_files(
    root: Path, images: Path, labels: Path | None, paths: Sequence[Path]
) -> tuple[dict[Path, Path], list[Path]]:
    """The label file of each image, and label files of none: in `labels`, and beside the images."""
    by_key: dict[str, list[Path]] = defaultdict(list)
    for file in _texts(labels) if labels else []:
        by_key[file.relative_to(labels or root).as_posix()[:-4].lower()].append(file)
    found: dict[Path, Path] = {}
    takers: dict[Path, list[str]] = defaultdict(list)
    for path in paths:
        inner = path.relative_to(images)
        # "1.2.840.3" is a whole name: its last part is no suffix.
        stems = [inner.name, image_stem(inner.name), *([] if inner.suffix[1:].isdigit() else [inner.stem])]
        for name in stems:
            if files := by_key.get(inner.with_name(name).as_posix().lower()):
                found[path] = next((file for file in files if file.name[:-4] == name), files[0])
                takers[found[path]].append(path.relative_to(root).as_posix())
                break
    shared = [f"{f.relative_to(root).as_posix()} of {' and '.join(n)}" for f, n in takers.items() if len(n) > 1]
    refuse(root, "one label file for several images", shared, "give each image a name of its own")
    unread = [file for files in by_key.values() for file in files if file not in takers]
    beside = {path.parent / image_stem(path.name).lower(): path for path in paths}
    for file in _texts(images):
        image = beside.get(file.parent / file.stem.lower())
        label = found.get(image) if image else None
        if (image or _is_label(file)) and not (label and label.read_bytes() == file.read_bytes()):
            unread.append(file)
    return found, unread


def _of_unlabeled(root: Path, images: Sequence[_Image], folders: Sequence[Path], everywhere: bool) -> Iterator[Path]:
    """Files that are not read and have the name of an image without labels, whatever comes behind it."""
    by_name: dict[str, list[_Image]] = defaultdict(list)
    for image in images:
        for name in {image.path.name.lower(), image_stem(image.path.name).lower()}:
            by_name[name].append(image)
    read = {image.path for image in images} | {image.label for image in images}
    for file in files_below(root):
        of_labels = any(part.lower().startswith("label") for part in file.relative_to(root).parts[:-1])
        is_text = file.suffix.lower() == ".txt"
        if file in read or not (of_labels or (everywhere and image_stem(file.name) == file.name)):
            continue
        if is_text and any(file.is_relative_to(folder) for folder in folders):  # see _label_files
            continue
        words = file.name.lower().split(".")
        names = (".".join(words[:count]) for count in range(len(words), 0, -1))
        mine = next((by_name[name] for name in names if name in by_name), [])
        if any(not image.label or (is_text and _is_label(file) and not text_lines(image.label)) for image in mine):
            yield file


def _is_label(path: Path) -> bool:
    try:
        lines = text_lines(path)
        return bool(lines) and all(float(line.split()[4]) >= 0 for line in lines)
    except (ValueError, IndexError):
        return False
