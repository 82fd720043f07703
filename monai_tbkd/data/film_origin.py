"""Whether films are phantoms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.data.own_results import PHANTOM_RECIPE

_DEPTH = 3  # from imgs/tb/a.png up to the data set's folder


def film_origins(items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many films were drawn by this package's phantom command, and how many were not.

    A phantom data set is known by the ``phantom.json`` that it was written with.

    Args:
        items: datalist items with ``image``.

    Returns:
        ``{"phantom": ..., "other": ...}``.
    """
    known: dict[Path, bool] = {}
    counts = {"phantom": 0, "other": 0}
    for item in items:
        folder = Path(str(item["image"])).parent
        if folder not in known:
            known[folder] = any((each / PHANTOM_RECIPE).is_file() for each in (folder, *folder.parents)[:_DEPTH])
        counts["phantom" if known[folder] else "other"] += 1
    return counts
