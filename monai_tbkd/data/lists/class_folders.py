"""Data sets that are folders of images, one a class."""

from __future__ import annotations

import os
from pathlib import Path

from monai_tbkd.data.files.own_results import is_result_folder
from monai_tbkd.data.lists.datalist_error import DatalistError, name_first, refuse
from monai_tbkd.data.lists.datalist_item import DatalistItem, datalist_item
from monai_tbkd.data.lists.dataset_files import existing_folder, images_in, subfolders
from monai_tbkd.data.lists.image_classes import class_of, is_split_word, known_words, split_of


def load_class_folders(root: str | os.PathLike[str]) -> list[DatalistItem]:
    """Read ``root/{train,val,test}/{health,sick,tb}/...`` or ``root/{health,sick,tb}/...``.

    Well-known other names of the classes and splits do as well (``normal``, ``tuberculosis``, ``validation``, ...).
    ``name`` is the path under `root`. Folders of another name beside or below them are a `DatalistError`, and so are
    images of a split that are in no class.
    """
    root = existing_folder(root)
    folders = [
        each for each in subfolders(root) if split_of(each.name) or class_of(each.name) or not is_result_folder(each)
    ]
    by_split = any(split_of(folder.name) for folder in folders)
    unknown = [folder.name for folder in folders if not (split_of if by_split else class_of)(folder.name)]
    classes: list[tuple[str, Path]] = [("train", folder) for folder in folders]
    if by_split:
        classes = [(split_of(folder.name) or "", inner) for folder in folders for inner in subfolders(folder)]
        unknown += [inner.relative_to(root).as_posix() for _, inner in classes if not class_of(inner.name)]
    if unknown:
        raise DatalistError(
            f"{root}: unknown folders ({name_first(unknown)}); expected "
            f"{'splits (train, val, test) with classes in them' if by_split else 'classes'} ({known_words()}), "
            "so rename or move them."
        )
    if not classes:
        raise DatalistError(
            f"{root}: no imgs folder, no table, no images beside labels and no class folder; expected one of them, for "
            "class folders health, sick and tb, or train, val and test with those in them."
        )
    loose = [path.name for folder in folders if by_split for path in images_in(folder, recursive=False)]
    refuse(root, "images of a split that are in no class", loose, "put them into folders of classes")
    items = []
    torn: dict[str, None] = {}
    mixed: dict[str, None] = {}
    for split, folder in classes:
        own, position = class_of(folder.name) or "", folder.relative_to(root).as_posix()
        for path in images_in(folder):
            for part in path.relative_to(folder).parts[:-1]:
                if is_split_word(part) and split_of(part) != split:
                    torn[f"{position}/.../{part}"] = None
                if class_of(part) not in (None, own):
                    mixed[f"{position}/.../{part}"] = None
            items.append(datalist_item(path, path.relative_to(root).as_posix(), own, split))
    fix = "put the classes into the splits, as in train/tb and val/tb"
    refuse(root, "folders of splits below a class", torn, fix)
    fix = "put each class beside the others, or rename the folder if it is no class"
    refuse(root, "folders of another class within a class", mixed, fix)
    return items
