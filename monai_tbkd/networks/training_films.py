"""Which films a model was trained on, as far as its record can tell."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.data.datalist import load_datalist, load_source
from monai_tbkd.data.datalist_error import DatalistError


def films_trained_on(record: Mapping[str, Any] | None, source: str | Path) -> set[str] | None:
    """Names of a data set's films that a model was trained on.

    A record holds the hash of names and labels, not the names. So the splits that the data set is likely to have been
    trained on are made again and compared: all of it, its own train split, and that less the selection split at its
    default size.

    Args:
        record: of the checkpoint, see `read_record`.
        source: a folder or a CSV file, as in `load_source`.

    Returns:
        The names, or None where none of these splits was it: another data set, other sizes of the splits, or no record.
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
        if _sha256(split) == wanted:
            return {item["name"] for item in split}
    return None


def _sha256(items: Iterable[Mapping[str, Any]]) -> str:
    """As in the record of a training."""
    return hashlib.sha256("\n".join(sorted(f"{i['name']} {i['label']}" for i in items)).encode()).hexdigest()
