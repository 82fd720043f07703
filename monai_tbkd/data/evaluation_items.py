"""Items for an evaluation: with the boxes that training never sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def evaluation_items(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What an evaluator needs of each datalist item.

    Args:
        items: datalist items of a selection or reported split.

    Returns:
        ``image``, ``name``, ``label``, ``tb`` (array ``(1,)``, 1 for TB), ``boxes`` and ``polygons`` in film pixels
        (empty lists where there are none or they are unknown) and ``size`` [height, width].
    """
    return [
        {
            "image": item["image"],
            "name": item["name"],
            "label": item["label"],
            "tb": np.array([item["class_name"] == "tb"], dtype=np.int64),
            "boxes": item["boxes"] or [],
            "polygons": item.get("polygons") or [],
            "size": item["size"],
        }
        for item in items
    ]
