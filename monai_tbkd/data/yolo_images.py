"""The images of a YOLO data set: which there are, which split each belongs to, and which label file."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from monai_tbkd.data.absolute_path import absolute_path
from monai_tbkd.data.datalist_error import DatalistError, name_first
from monai_tbkd.data.film_classes import class_of
from monai_tbkd.data.film_folder import film_stem, list_films
from monai_tbkd.data.natural_order import natural_key
from monai_tbkd.data.outside_text import read_text
from monai_tbkd.data.own_results import made_folders
from monai_tbkd.data.split_words import is_split_word, split_of

logger = logging.getLogger(__name__)

_SPLITS = ("train", "val", "test")
_NOT_LABELS = ("classes.txt",)


@dataclass(frozen=True)
class YoloImage:
    """An image.

    Attributes:
        path: the file.
        inner: its path below the folder ``images``.
        split: ``"train"``, ``"val"`` or ``"test"``.
        label: its label file, None where there is none.
    """

    path: Path
    inner: PurePosixPath
    split: str
    label: Path | None


def has_yolo_folders(root: Path, with_labels: bool = True) -> bool:
    """Whether a folder has ``images``, beside ``labels`` or not, at the top or in a folder in it."""
    return any(labels is not None or not with_labels for _, labels in _pairs(root, {}))


def yolo_images(root: Path, settings: Mapping[str, Any]) -> tuple[list[YoloImage], list[Path]]:
    """Find the images, and the label files that belong to none of them.

    Args:
        root: the data set.
        settings: content of its ``data.yaml``: ``train``, ``val`` and ``test`` name folders or lists of images;
            with ``background``, images without a label file have a class.

    Returns:
        The images, and the label files that are not read: text files in folders ``labels`` that belong to no image;
        any file with the name of an image without labels, in folders ``label``, ``labels_new``, ..., and with
        ``background`` also elsewhere (there, pictures do not count).

    Raises:
        DatalistError: images that are in no split, or in two; a list that names images which are not there; a list or
            folder in `settings` that is not there, unless the names of folders give its split; a label file that would
            be that of several images.
    """
    lists, folders, absent, dead = _named_splits(root, settings)
    if absent:
        raise DatalistError(f"{root}: listed images that do not exist ({name_first(absent)}); mend the lists.")
    found: list[YoloImage] = []
    unread: list[Path] = []
    for images, labels in _pairs(root, settings):
        paths = _films(images)
        splits = _splits(root, images, paths, lists, folders)
        of_image, rest = _label_files(root, images, labels, paths)
        found += [
            YoloImage(path, PurePosixPath(path.relative_to(images).as_posix()), splits[path], of_image.get(path))
            for path in paths
        ]
        unread += rest
    _check_entries(root, dead, {image.split for image in found})
    outside = sorted(lists.keys() - {image.path for image in found})
    if outside:
        raise DatalistError(
            f"{root}: listed images outside of the folders images ({name_first(outside)}); move them there."
        )
    stray = [
        folder.name
        for folder in _subfolders(root)
        if is_split_word(folder.name)
        and not any(image.path.is_relative_to(folder) for image in found)
        and _films(folder)
    ]
    if found and stray:
        raise DatalistError(
            f"{root}: folders of a split without a folder images ({name_first(stray)}); put their images into images."
        )
    with_images = {labels for _, labels in _pairs(root, settings)}
    unread += [file for folder in label_folders(root) if folder not in with_images for file in _texts(folder)]
    unread += [file for file in _of_unlabeled(root, found, "background" in settings) if file not in unread]
    return sorted(found, key=lambda image: natural_key(image.path.relative_to(root).as_posix())), unread


def _pairs(root: Path, settings: Mapping[str, Any]) -> list[tuple[Path, Path | None]]:
    """(folder of images, folder of labels beside it) each."""
    if not root.is_dir():
        return []
    _, folders, _, _ = _named_splits(root, settings, lists=False)
    found: list[tuple[Path, Path | None]] = []
    for home in [root, *(folder for folder in _subfolders(root) if not class_of(folder.name))]:
        labels = next(iter(_called(home, "labels")), None)
        # A folder such as docs/images is no part of the data set.
        known = home == root or labels or is_split_word(home.name) or any(each.is_relative_to(home) for each in folders)
        found += [(images, labels) for images in _called(home, "images") if known]
    return found


def label_folders(root: Path) -> list[Path]:
    """The folders ``labels`` at the top of a data set and in the folders there."""
    return [labels for home in [root, *_subfolders(root)] for labels in _called(home, "labels")]


def _called(folder: Path, name: str) -> list[Path]:
    return [path for path in _subfolders(folder) if path.name.lower() == name]


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _films(folder: Path) -> list[Path]:
    try:
        return [Path(film["image"]) for film in list_films(folder)]
    except ValueError:
        return []


def _named_splits(
    root: Path, settings: Mapping[str, Any], lists: bool = True
) -> tuple[dict[Path, str], dict[Path, str], list[str], list[tuple[str, str]]]:
    """Splits in ``data.yaml``: of images, of folders, listed images that are not there, entries that lead nowhere."""
    images: dict[Path, str] = {}
    folders: dict[Path, str] = {}
    absent = []
    dead = []
    home = str(settings.get("path") or "")
    for split in _SPLITS:
        value = settings.get(split) or []
        for entry in value if isinstance(value, list) else [value]:
            place = _below(root, f"{home}/{entry}") or _below(root, str(entry))
            if place is None:
                dead.append((split, str(entry)))
            elif place.is_dir():
                # Where train and val name one folder, as small examples do, it is train.
                folders.setdefault(place, split)
            elif lists and place.suffix.lower() == ".txt":
                for line in _lines(place):
                    image = _beside(root, place.parent / line) or _below(root, line)
                    if image is None or image.is_dir():
                        absent.append(f"{place.relative_to(root).as_posix()}: {line}")
                    elif images.setdefault(image, split) != split:
                        absent.append(f"{line} is in {images[image]} and in {split}")
            elif lists:
                dead.append((split, str(entry)))
    return images, folders, absent, dead


def _check_entries(root: Path, dead: list[tuple[str, str]], found: set[str]) -> None:
    """Refuse entries that lead nowhere, but not folders of a split that is found by the names of folders."""
    named = name_first(f"{split}: {entry[:80]}" for split, entry in dead)
    lost = {split for split, entry in dead if split not in found or Path(entry).suffix}
    if lost == {"test"} and found == {"train", "val"} and not any(Path(entry).suffix for _, entry in dead):
        lost = set()  # exports often name a test folder that they do not have
    if lost:
        raise DatalistError(
            f"{root}: entries of data.yaml that lead nowhere ({named}); expected a folder or a text file below the "
            "data set, so mend them or take them away."
        )
    if dead:
        logger.warning("%s: entries of data.yaml that lead nowhere (%s).", root, named)


def _lines(path: Path) -> Iterator[str]:
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise DatalistError(f"{path}: cannot be read as text ({error}); expected one image a line.") from error
    return (line.strip() for line in text.splitlines() if line.strip())


def _beside(root: Path, path: Path) -> Path | None:
    """A file or folder below `root`, None where there is none."""
    place = absolute_path(path)
    try:
        return place if place.is_relative_to(root) and place.exists() else None
    except OSError:  # a name that is too long
        return None


def _below(root: Path, text: str) -> Path | None:
    """What a path means below `root`; it may be of another machine, so leading parts may be left out."""
    parts = [part for part in PurePosixPath(text.replace("\\", "/")).parts if part not in ("/", ".", "..")]
    places = (_beside(root, root.joinpath(*parts[start:])) for start in range(len(parts)))
    return next((place for place in places if place), None) if parts else root


def _splits(
    root: Path, images: Path, paths: list[Path], lists: Mapping[Path, str], folders: Mapping[Path, str]
) -> dict[Path, str]:
    """The split of each image: by a list, else by the nearest folder that is named, or whose name is a split."""
    named = dict(folders)
    for top in dict.fromkeys(_top(root, images, path) for path in paths if not lists):
        if word := split_of(top.name):
            named.setdefault(top, word)
    if not lists and not named and images.parent == root:  # one split, perhaps with folders of classes
        tops = dict.fromkeys(_top(root, images, path) for path in paths)
        named = {top: "train" for top in tops if top == images or class_of(top.name)}
    found: dict[Path, str] = {}
    strange: dict[str, None] = {}
    torn: dict[str, None] = {}
    for path in paths:
        place = next((folder for folder in path.parents if folder in named), None)
        if path in lists:
            found[path] = lists[path]
        elif place is None:
            top = path if lists else images if images.parent != root else _top(root, images, path)
            strange[top.relative_to(root).as_posix()] = None
        else:
            found[path] = named[place]
            for folder in path.parents[: path.parents.index(place)]:
                if is_split_word(folder.name) and split_of(folder.name) != named[place]:
                    torn[f"{folder.relative_to(root).as_posix()} in {named[place]}"] = None
    if strange:
        raise DatalistError(
            f"{root}: images that are in no split ({name_first(strange)}); name each in data.yaml under train, val or "
            "test (train: images takes all), or call its folder so."
        )
    if torn:
        raise DatalistError(
            f"{root}: folders of another split within a split ({name_first(torn)}); put the split's folder above."
        )
    return found


def _top(root: Path, images: Path, path: Path) -> Path:
    """The folder that may be a split: ``train`` of ``images/train/...`` and of ``train/images/...``."""
    if images.parent != root:
        return images.parent
    inner = path.relative_to(images).parts
    return images / inner[0] if len(inner) > 1 else images


def _texts(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() == ".txt" and path.is_file() and path.name.lower() not in _NOT_LABELS
    ]


def _label_files(
    root: Path, images: Path, labels: Path | None, paths: list[Path]
) -> tuple[dict[Path, Path], list[Path]]:
    """The label file of each image, and label files of none: in `labels`, and beside the images."""
    by_key: dict[str, list[Path]] = defaultdict(list)
    for file in _texts(labels) if labels else []:
        by_key[file.relative_to(labels or root).as_posix()[:-4].lower()].append(file)
    found: dict[Path, Path] = {}
    takers: dict[Path, list[str]] = defaultdict(list)
    for path in paths:
        inner = path.relative_to(images)
        for name in dict.fromkeys((inner.name, film_stem(inner.name), inner.stem)):
            # "1.2.840.3" is a whole name: its last part is no suffix.
            if name == inner.stem and inner.suffix[1:].isdigit():
                continue
            files = by_key.get(inner.with_name(name).as_posix().lower())
            if files:
                exact = [file for file in files if file.name[:-4] == name]
                found[path] = (exact or files)[0]
                takers[found[path]].append(path.relative_to(root).as_posix())
                break
    shared = [
        f"{file.relative_to(root).as_posix()} of {' and '.join(names)}"
        for file, names in takers.items()
        if len(names) > 1
    ]
    if shared:
        raise DatalistError(
            f"{root}: one label file for several images ({name_first(shared)}); give each image a name of its own."
        )
    unread = [file for files in by_key.values() for file in files if file not in takers]
    stems = {path.parent / film_stem(path.name).lower(): path for path in paths}
    for file in _texts(images):
        image = stems.get(file.parent / file.stem.lower())
        label = found.get(image) if image else None
        if (image or _is_label(file)) and not (label and label.read_bytes() == file.read_bytes()):
            unread.append(file)
    return found, unread


def _of_unlabeled(root: Path, images: list[YoloImage], everywhere: bool) -> Iterator[Path]:
    """Files that are not read and have the name of an image without labels, whatever comes behind it."""
    by_name: dict[str, list[YoloImage]] = defaultdict(list)
    for image in images:
        for name in {image.path.name.lower(), film_stem(image.path.name).lower()}:
            by_name[name].append(image)
    read = {image.path for image in images} | {image.label for image in images}
    image_folders = [folder for folder, _ in _pairs(root, {})]
    for file in _files(root):
        inner = file.relative_to(root)
        of_labels = any(part.lower().startswith("label") for part in inner.parts[:-1])
        is_text = file.suffix.lower() == ".txt"
        if file in read or not (of_labels or (everywhere and film_stem(file.name) == file.name)):
            continue
        if is_text and any(file.is_relative_to(folder) for folder in image_folders):  # see _label_files
            continue
        words = file.name.lower().split(".")
        names = (".".join(words[:count]) for count in range(len(words), 0, -1))
        mine = next((by_name[name] for name in names if name in by_name), [])
        if any(not image.label or (is_text and _is_label(file) and not any(_lines(image.label))) for image in mine):
            yield file


def _files(root: Path) -> Iterator[Path]:
    seen = set()
    for folder, subfolders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        made = made_folders(files, subfolders)
        subfolders[:] = [n for n in sorted(subfolders) if n not in made and not n.startswith(".") and real not in seen]
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith(".") and real not in seen)
        seen.add(real)


def _is_label(path: Path) -> bool:
    try:
        lines = list(_lines(path))
        return bool(lines) and all(float(line.split()[4]) >= 0 for line in lines)
    except (DatalistError, ValueError, IndexError):
        return False
