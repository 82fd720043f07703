"""List copies of training images with regions of normal images: free labels of where disease is not."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

PASTE = "paste"
OWN = "own"
COPIES = 3


def with_pasted_copies(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """List each image followed by two copies, in which complementary regions come from normal images.

    The normal images (``label`` is 0) are other ones of the same ``source``, so that the style of a hospital tells
    nothing. They are chosen by the hash of names, so that most copies are the same in all folds and seeds. Where a
    source has fewer than two others, the copies are the image itself.

    Returns:
        Three items an image; what is pasted is at ``paste``: the path of the normal image, and the seed and side of the
        regions, see :class:`~monai_tbkd.transforms.PasteRegionsd`.

    Example:
        >>> images = [{"image": f"{i}.png", "label": int(i > 2)} for i in range(4)]
        >>> [sorted(item) for item in with_pasted_copies(images)[-3:]]
        [['image', 'label'], ['image', 'label', 'paste'], ['image', 'label', 'paste']]
    """
    normal: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for item in items:
        if np.ndim(item["label"]) == 0 and int(item["label"]) == 0:
            normal[item.get("source")].append(item)
    listed: list[dict[str, Any]] = []
    for item in items:
        drawn = sorted((_number(item, other), other["image"]) for other in normal[item.get("source")])
        chosen = [path for _, path in drawn if path != item["image"]][: COPIES - 1]
        copies = [dict(item) for _ in range(COPIES)]
        if len(chosen) == COPIES - 1:
            for side, (copy, other) in enumerate(zip(copies[1:], chosen, strict=True)):
                copy[PASTE] = {"image": other, "seed": _number(item), "inverted": bool(side)}
        listed += copies
    return listed


def _number(*items: Mapping[str, Any]) -> int:
    """A number of 31 bits that depends on the names of images alone."""
    names = "\n".join(str(item.get("name", item["image"])) for item in items)
    return int.from_bytes(hashlib.sha256(names.encode()).digest()[:4], "big") >> 1
