"""Films that lie beside those of a data set and are not in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from monai_tbkd.data.absolute_path import absolute_path
from monai_tbkd.data.datalist_item import DatalistItem
from monai_tbkd.data.film_folder import list_films


def unlisted_films(source: str | os.PathLike[str], items: Sequence[DatalistItem]) -> list[str]:
    """Find films that no list, row or class folder names.

    Looked into are the folders of the items and those above them, up to the data set's own; not their other
    sub-folders.

    Args:
        source: the data set's folder or table.
        items: data list items of it.

    Returns:
        Paths under the data set's folder, or absolute ones.
    """
    root = absolute_path(source)
    root = root if root.is_dir() else root.parent
    known = {item["image"] for item in items}
    folders: dict[Path, None] = {}
    for parent in dict.fromkeys(Path(item["image"]).parent for item in items):
        for folder in (parent, *parent.parents) if parent.is_relative_to(root) else (parent,):
            folders[folder] = None
            if folder == root:
                break
    found = []
    for folder in folders:
        try:
            beside = list_films(folder, recursive=False) if folder.is_dir() else []
        except ValueError:  # none in it
            continue
        found += [Path(film["image"]) for film in beside if film["image"] not in known]
    return sorted((path.relative_to(root) if path.is_relative_to(root) else path).as_posix() for path in found)
