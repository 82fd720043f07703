"""Files of a data set: images, folders, text and tables, and what lies there that nothing reads."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from monai_tbkd.data.files.outside_text import read_csv, read_text
from monai_tbkd.data.files.paths import absolute_path
from monai_tbkd.data.lists.datalist_error import DatalistError, name_first
from monai_tbkd.data.lists.datalist_item import DatalistItem
from monai_tbkd.data.lists.image_classes import is_split_word, plain_word
from monai_tbkd.data.readers.image_folder import list_images

_TABLES = {".txt", ".csv", ".tsv", ".lst", ".json"}
_SPLIT_LISTS = {"split", "splits", "fold", "folds"}


def existing_folder(path: str | os.PathLike[str]) -> Path:
    """The absolute path of a folder; where it is not there, a `DatalistError`."""
    root = absolute_path(path)
    if not root.is_dir():
        raise DatalistError(f"{root}: there is no such folder; check dataset_dir.")
    return root


def images_in(folder: Path, recursive: bool = True) -> list[Path]:
    """Images of a folder as `list_images` finds them; none where there is no such folder."""
    try:
        return [Path(image["image"]) for image in list_images(folder, recursive)] if folder.is_dir() else []
    except ValueError:  # no image in it
        return []


def subfolders(folder: Path) -> list[Path]:
    """Folders of a folder, sorted, without hidden ones."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def text_lines(path: Path) -> list[str]:
    """Lines of a text file, stripped, without blank ones; a `DatalistError` where it cannot be read."""
    try:
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatalistError(f"{path}: cannot be read as text ({error}); expected one image a line.") from error


def table_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a CSV file; a `DatalistError` where it cannot be read."""
    try:
        return read_csv(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatalistError(f"{path}: cannot be read as a UTF-8 CSV file ({error}); check the path.") from error


def unlabeled_images(source: str | os.PathLike[str] | Sequence[str] | None) -> list[dict[str, str]]:
    """List images that have no label, with ``image`` (absolute path) and ``name``.

    Args:
        source: a folder, a ``.txt`` file with one path a line, a list of paths, or None for none.
    """
    if isinstance(source, (str, os.PathLike)):
        if Path(source).suffix.lower() != ".txt":
            return list_images(source)
        source = [line.strip() for line in read_text(source).splitlines() if line.strip()]
    return [{"image": str(absolute_path(path)), "name": Path(path).name} for path in source or []]


def unlisted_images(source: str | os.PathLike[str], items: Sequence[DatalistItem]) -> list[str]:
    """Find images that no list, row or class folder names, by path under the data set's folder.

    Looked into are the folders of the items and those above them, up to the data set's own; not their other
    sub-folders.
    """
    root = absolute_path(source)
    root = root if root.is_dir() else root.parent
    known = {item["image"] for item in items}
    folders: dict[Path, None] = {}
    for parent in {Path(image).parent for image in known}:
        inside = parent.is_relative_to(root)
        above = [each for each in parent.parents if each.is_relative_to(root)] if inside else []
        folders.update(dict.fromkeys([parent, *above]))
    found = [path for folder in folders for path in images_in(folder, recursive=False) if str(path) not in known]
    return sorted((path.relative_to(root) if path.is_relative_to(root) else path).as_posix() for path in found)


def unread_splits(source: str | os.PathLike[str], layout: str, items: Sequence[DatalistItem] = ()) -> str | None:
    """Name what looks like a list of splits (``val.txt``, ``split.csv``) in a layout that reads none.

    Args:
        source: the data set's folder or table.
        layout: ``"class_folders"``, ``"manifest"`` or ``"yolo"``, where lists that a YAML file names are read, and all
            is well with several splits; in other layouts nothing is looked for.
        items: data list items of it.

    Returns:
        A sentence, None where there is no such file.
    """
    root = absolute_path(source)
    if layout not in ("class_folders", "manifest", "yolo") or not root.is_dir():
        return None
    if layout == "yolo" and len({item["split"] for item in items}) > 1:
        return None
    files = [path for path in sorted(root.iterdir()) if path.is_file()]
    settings = [path for path in files if layout == "yolo" and path.suffix.lower() in (".yaml", ".yml")]
    read = "".join(path.read_bytes().replace(b"\0", b"").decode(errors="ignore") for path in settings)
    names = [
        path.name
        for path in files
        if path.suffix.lower() in _TABLES
        and (is_split_word(path.stem) or _SPLIT_LISTS.intersection(plain_word(path.stem).split("_")))
        and path.name not in read
    ]
    if not names:
        return None
    return (
        f"{source}: lists of splits that are not read ({name_first(names)}); put the images into folders train, "
        "val and test, or name the splits in data.yaml (YOLO) or manifest.csv (columns image, label, split)."
    )
