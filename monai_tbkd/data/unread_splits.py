"""Lists of splits that lie beside the images and that nothing reads."""

from __future__ import annotations

import os
from collections.abc import Sequence

from monai_tbkd.data.absolute_path import absolute_path
from monai_tbkd.data.datalist_error import name_first
from monai_tbkd.data.datalist_item import DatalistItem
from monai_tbkd.data.film_classes import plain_word
from monai_tbkd.data.split_words import is_split_word

_TABLES = {".txt", ".csv", ".tsv", ".lst", ".json"}
_WORDS = {"split", "splits", "fold", "folds"}


def unread_splits(source: str | os.PathLike[str], layout: str, items: Sequence[DatalistItem] = ()) -> str | None:
    """Name what looks like a list of splits (``val.txt``, ``split.csv``) in a layout that reads none.

    Args:
        source: the data set's folder or table.
        layout: ``"class_folders"``, ``"manifest"`` or ``"yolo"``; in other layouts nothing is looked for. In YOLO's,
            lists that a YAML file beside them names are read, and all is well where there are several splits.
        items: data list items of it.

    Returns:
        A sentence, None where there is no such file.
    """
    root = absolute_path(source)
    if layout not in ("class_folders", "manifest", "yolo") or not root.is_dir():
        return None
    if layout == "yolo" and len({item["split"] for item in items}) > 1:
        return None
    settings = [path for path in root.iterdir() if layout == "yolo" and path.suffix.lower() in (".yaml", ".yml")]
    named = "".join(
        path.read_bytes().replace(b"\0", b"").decode(errors="ignore") for path in settings if path.is_file()
    )
    names = [
        path.name
        for path in sorted(root.iterdir())
        if path.suffix.lower() in _TABLES
        and (is_split_word(path.stem) or _WORDS.intersection(plain_word(path.stem).split("_")))
        and path.name not in named
        and path.is_file()
    ]
    if not names:
        return None
    return (
        f"{source}: lists of splits that are not read ({name_first(names)}); put the images into folders train, "
        "val and test, or name the splits in data.yaml (YOLO) or manifest.csv (columns image, label, split)."
    )
