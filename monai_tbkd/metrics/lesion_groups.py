"""True boxes and images by size, number, side and type of the lesions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

# Fractions of the image's area: they split the 902 boxes of TBX11K's training images into thirds (0.040 and 0.071).
SIZE_EDGES = (0.04, 0.07)
BOX_TYPES = ("active", "latent", "uncertain")
_NAMES = {
    "size": ("small", "medium", "large"),
    "count": ("1", "2", "3+"),
    "side": ("left", "right"),
    "type": (*BOX_TYPES, "other"),
}

DEFINITIONS = {
    "size": (
        "Of a box, by its fraction of the image's area: small below 0.04, large from 0.07; of an image, its "
        "largest box."
    ),
    "count": "True boxes of the image: 1, 2, or 3 and more.",
    "side": (
        "Half of the picture in which the box's center lies (as displayed, not the patient's side); of an image: left, "
        "right or both."
    ),
    "type": (
        "active, latent or uncertain as annotated, other where it is none of these; of an image with several: mixed."
    ),
}

Groups = dict[str, dict[str, np.ndarray]]
"""By ``size``, ``count``, ``side`` and ``type``, by group: ``(N,)`` or ``(M,)`` bool."""


class BoxGroups(NamedTuple):
    """The M true boxes of N images, image by image in the order of the items' ``boxes``."""

    image: np.ndarray
    """``(M,)`` int, index of the image."""
    groups: Groups


def box_groups(items: Sequence[Mapping[str, Any]]) -> BoxGroups:
    """Group true boxes; each box is in one group of each kind.

    Args:
        items: datalist items with ``boxes`` in image pixels, ``size`` [height, width] and ``box_types``; an item
            without boxes, or whose boxes are unknown, has none here.

    Raises:
        ValueError: types that are not one per box.

    Example:
        >>> one = {"boxes": [[0, 0, 10, 10]], "size": [100, 100], "box_types": ["active"]}
        >>> [name for name, boxes in box_groups([one]).groups["size"].items() if boxes.any()]
        ['small']
    """
    image: list[int] = []
    words: dict[str, list[str]] = {by: [] for by in _NAMES}
    for i, item in enumerate(items):
        boxes = item["boxes"] or []
        types = item.get("box_types") or ["other"] * len(boxes)
        if len(types) != len(boxes):
            raise ValueError(f"Item {i} (from 0) has {len(boxes)} boxes and {len(types)} box_types; expected one each.")
        for (x0, y0, x1, y1), kind in zip(boxes, types):
            height, width = item["size"]
            image.append(i)
            fraction = (x1 - x0) * (y1 - y0) / (height * width)
            words["size"].append(_NAMES["size"][int(np.searchsorted(SIZE_EDGES, fraction, side="right"))])
            words["count"].append(str(len(boxes)) if len(boxes) < 3 else "3+")
            words["side"].append("left" if (x0 + x1) / 2 < width / 2 else "right")
            words["type"].append(kind if kind in BOX_TYPES else "other")
    groups = {by: {n: np.array(words[by], dtype=object) == n for n in names} for by, names in _NAMES.items()}
    return BoxGroups(np.array(image, dtype=np.intp), groups)


def image_groups(items: Sequence[Mapping[str, Any]]) -> Groups:
    """Group images with true boxes, see `box_groups`; an image's size is that of its largest box."""
    image, boxes = box_groups(items)
    has = {
        by: {name: np.bincount(image[member], minlength=len(items)) > 0 for name, member in parts.items()}
        for by, parts in boxes.items()
    }
    small, medium, large = has["size"].values()
    left, right = has["side"].values()
    several = sum(images.astype(int) for images in has["type"].values()) > 1
    return {
        "size": {"small": small & ~medium & ~large, "medium": medium & ~large, "large": large},
        "count": has["count"],
        "side": {"left": left & ~right, "right": right & ~left, "both": left & right},
        "type": {**{name: images & ~several for name, images in has["type"].items()}, "mixed": np.asarray(several)},
    }
