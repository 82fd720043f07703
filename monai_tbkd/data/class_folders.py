"""Data sets that are folders of films, one a class."""

from __future__ import annotations

import os
from pathlib import Path

from monai_tbkd.data.absolute_path import absolute_path
from monai_tbkd.data.datalist_error import DatalistError, name_first
from monai_tbkd.data.datalist_item import DatalistItem, datalist_item
from monai_tbkd.data.film_classes import class_of, known_words
from monai_tbkd.data.film_folder import list_films
from monai_tbkd.data.own_results import is_result_folder
from monai_tbkd.data.split_words import is_split_word, split_of


def load_class_folders(root: str | os.PathLike[str], num_classes: int = 2) -> list[DatalistItem]:
    """Read ``root/{train,val,test}/{health,sick,tb}/...`` or ``root/{health,sick,tb}/...``.

    Well-known other names of the classes and splits do as well (``normal``, ``tuberculosis``, ``validation``, ...).

    Args:
        root: the folder.
        num_classes: label scheme, see `class_label`.

    Returns:
        Data list items; ``name`` is the path under `root`, ``boxes`` is None for TB films (there are no annotations).

    Raises:
        DatalistError: no such folder, no class folder in it, a folder whose name says nothing, a split or another class
            below a class, or images of a split that are in no class.

    Example:
        >>> load_class_folders("my_films")  # doctest: +SKIP
    """
    root = absolute_path(root)
    if not root.is_dir():
        raise DatalistError(f"{root}: there is no such folder; check dataset_dir.")
    folders = [
        each for each in _subfolders(root) if split_of(each.name) or class_of(each.name) or not is_result_folder(each)
    ]
    by_split = any(split_of(folder.name) for folder in folders)
    unknown = [folder.name for folder in folders if not (split_of if by_split else class_of)(folder.name)]
    class_folders: list[tuple[str, Path]] = [] if by_split else [("train", folder) for folder in folders]
    if by_split:
        for folder in folders:
            for inner in _subfolders(folder):
                class_folders.append((split_of(folder.name) or "", inner))
                if not class_of(inner.name):
                    unknown.append(f"{folder.name}/{inner.name}")
    if unknown:
        raise DatalistError(
            f"{root}: unknown folders ({name_first(unknown)}); expected "
            f"{'splits (train, val, test) with classes in them' if by_split else 'classes'} ({known_words()}), "
            "so rename or move them."
        )
    if not class_folders:
        raise DatalistError(
            f"{root}: no imgs folder, no table, no images beside labels and no class folder; expected one of them, for "
            "class folders health, sick and tb, or train, val and test with those in them."
        )
    loose = [film["name"] for folder in (folders if by_split else []) for film in _films(folder, recursive=False)]
    if loose:
        raise DatalistError(
            f"{root}: images of a split that are in no class ({name_first(loose)}); put them into folders of classes."
        )
    items = []
    torn: dict[str, None] = {}
    mixed: dict[str, None] = {}
    for split, folder in class_folders:
        for film in _films(folder):
            path = Path(film["image"])
            name = path.relative_to(root).as_posix()
            for part in path.relative_to(folder).parts[:-1]:
                if is_split_word(part) and split_of(part) != split:
                    torn[f"{folder.relative_to(root).as_posix()}/.../{part}"] = None
                if class_of(part) not in (None, class_of(folder.name)):
                    mixed[f"{folder.relative_to(root).as_posix()}/.../{part}"] = None
            items.append(datalist_item(path, name, class_of(folder.name) or "", split, num_classes))
    if torn:
        raise DatalistError(
            f"{root}: folders of splits below a class ({name_first(torn)}); put the classes into the splits, as in "
            "train/tb and val/tb."
        )
    if mixed:
        raise DatalistError(
            f"{root}: folders of another class within a class ({name_first(mixed)}); put each class beside the others, "
            "or rename the folder if it is no class."
        )
    return items


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _films(folder: Path, recursive: bool = True) -> list[dict[str, str]]:
    try:
        return list_films(folder, recursive)
    except ValueError:
        # An empty class folder is no fault by itself; check_datalist sees whether a class is missing.
        return []
