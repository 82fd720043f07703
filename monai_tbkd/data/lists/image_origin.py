"""Count phantom images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from monai_tbkd.data.files.own_results import PHANTOM_RECIPE


def image_origins(items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count the datalist items that the phantom command drew: ``{"phantom": ..., "other": ...}``.

    A phantom data set is known by the ``phantom.json`` in it, at most two folders above an image.
    """
    folders = Counter(Path(str(item["image"])).parent for item in items)
    phantom = sum(
        number
        for folder, number in folders.items()
        if any((each / PHANTOM_RECIPE).is_file() for each in (folder, *folder.parents)[:3])
    )
    return {"phantom": phantom, "other": folders.total() - phantom}
