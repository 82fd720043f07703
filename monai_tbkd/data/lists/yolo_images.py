"""Images, splits and label files of a data set with YOLO's labels."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from monai_tbkd.data.files.paths import absolute_path, natural_key
from monai_tbkd.data.lists.datalist_error import name_first, refuse
from monai_tbkd.data.lists.dataset_files import files_below, images_in, subfolders, text_lines
from monai_tbkd.data.lists.image_classes import SPLITS, class_of, is_split_word, split_of
from monai_tbkd.data.readers.image_folder import image_stem

logger = logging.getLogger(__name__)

_Folders = tuple[Path, Path | None]  # of images, and of labels beside it


class YoloImage(NamedTuple):
    """An image of a data set with YOLO's labels."""

    path: Path
    name: str  # path below the data set
    inner: Path  # path below the folder images
    split: str
    label: Path | None  # file; None where there is none


def yolo_images(root: Path, settings: Mapping[str, Any]) -> tuple[list[YoloImage], list[Path]]:
    """Find the images, and files that look like labels and are not read.

    The latter are text files in folders ``labels`` that belong to no image; any file with the name of an image without
    labels, in folders ``label``, ``labels_new``, ..., and with ``background`` also elsewhere (there, pictures do not
    count).
    """
    named, listed, dead = _named_splits(root, settings)
    pairs = image_folders(root, named)
    found: list[YoloImage] = []
    unread: list[Path] = []
    for folder, labels in pairs:
        paths = images_in(folder)
        splits = _splits(root, folder, paths, named, listed)
        of_image, rest = _label_files(root, folder, labels, paths)
        unread += rest
        for path in paths:
            name, inner = path.relative_to(root).as_posix(), path.relative_to(folder)
            found.append(YoloImage(path, name, inner, splits[path], of_image.get(path)))
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
    unread += [file for folder in label_folders(root) if folder not in beside for file in _texts(folder)]
    of_unlabeled = _of_unlabeled(root, found, [folder for folder, _ in pairs], "background" in settings)
    unread += [file for file in of_unlabeled if file not in unread]
    return sorted(found, key=lambda image: natural_key(image.name)), unread


def label_folders(root: Path) -> list[Path]:
    """Return the folders ``labels`` at the top of a data set and in the folders there."""
    return [labels for home in [root, *subfolders(root)] for labels in _called(home, "labels")]


def image_folders(root: Path, named: Collection[Path] = ()) -> list[_Folders]:
    """Return folders of images, each with the folder of labels beside it; `named` are folders of ``data.yaml``."""
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


def _of_unlabeled(root: Path, images: Sequence[YoloImage], folders: Sequence[Path], everywhere: bool) -> Iterator[Path]:
    """Files that are not read and have the name of an image without labels, whatever comes behind it."""
    by_name: dict[str, list[YoloImage]] = defaultdict(list)
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
