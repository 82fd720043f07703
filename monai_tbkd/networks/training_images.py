"""Which images of a data set a model was trained on."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.data.lists.datalist import load_datalist, load_source
from monai_tbkd.data.lists.datalist_error import DatalistError


def images_trained_on(record: Mapping[str, Any] | None, source: str | Path) -> set[str] | None:
    """Names of a data set's images that a model was trained on, or None where its record can't tell.

    A record holds a hash of names and labels. It is compared with those of all of the data set, of its train split, and
    of that less the selection split at its default size.
    """
    wanted = ((record or {}).get("settings") or {}).get("train_sha256")
    if not wanted:
        return None
    classes = int(((record or {}).get("architecture") or {}).get("num_classes") or 2)
    items = load_source(source, classes)
    splits = [items, [item for item in items if item["split"] == "train"]]
    with contextlib.suppress(DatalistError):  # then it cannot be trained on as it is
        splits.append(load_datalist(source, classes)["train"])
    for split in splits:
        if labels_sha256(split) == wanted:
            return {item["name"] for item in split}
    return None


def labels_sha256(items: Iterable[Mapping[str, Any]]) -> str:
    """Hash of the names and labels of images, in any order."""
    return hashlib.sha256("\n".join(sorted(f"{i['name']} {i['label']}" for i in items)).encode()).hexdigest()
