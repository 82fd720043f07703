"""What is true of the images of a split, in the forms that metrics ask for."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from monai_tbkd.transforms import image_box_mask, rescale_boxes

# Fractions of the image's area: they split the 902 boxes of TBX11K's training images into thirds (0.040 and 0.071).
SIZE_EDGES = (0.04, 0.07)
BOX_TYPES = ("active", "latent", "uncertain")
_NAMES = {
    "size": ("small", "medium", "large"),
    "count": ("1", "2", "3+"),
    "side": ("left", "right"),
    "type": (*BOX_TYPES, "other"),
}

GROUP_DEFINITIONS = {
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


class SplitTruth:
    """Boxes, masks, labels and patients of a split's datalist items, on a square grid."""

    def __init__(self, items: Sequence[Mapping[str, Any]], grid: int) -> None:
        self.items, self.grid = list(items), grid
        self.masks = np.stack([image_box_mask(item, grid) for item in items])
        """``(N, grid, grid)`` bool: union of the outlines of lesions, or else of the true boxes."""
        self.boxes = [
            rescale_boxes(torch.tensor(i["boxes"] or []), i["size"], (grid, grid)).double().numpy() for i in items
        ]  # (m, 4) per image: xmin, ymin, xmax, ymax on the grid
        self.tb = np.array([item["class_name"] == "tb" for item in items])  # (N,) bool: images with TB
        self.boxed = np.asarray(self.masks.any(axis=(1, 2)))  # (N,) bool: images with true boxes
        self.known = np.asarray(self.boxed | ~self.tb)
        """``(N,)`` bool: images whose boxes are known, none where there is no TB."""
        ids = [item.get("patient_id") for item in items]
        self.patients = ids if any(ids) else None
        """A patient id per image, None where none is known: then images are drawn."""
        sources = [str(item.get("source", "")) for item in items]
        self.sources = {name: np.array([each == name for each in sources]) for name in dict.fromkeys(sources)}
        """By hospital its images ``(N,)`` bool."""
        self.image_groups, self.box_groups = image_groups(items), box_groups(items)

    def counts(self) -> dict[str, int]:
        """Count images in all, by class, and with boxes; patients, and images without one, where any is known."""
        classes = Counter(f"{item['class_name']}_images" for item in self.items)
        known = [each for each in self.patients or () if each not in (None, "")]
        patients = {"patients": len(set(known)), "images_without_patient": len(self.items) - len(known)}
        return {
            "images": len(self.items),
            **dict(sorted(classes.items())),
            "tb_images_with_boxes": int(self.boxed.sum()),
            "boxes": sum(map(len, self.boxes)),
            **(patients if known else {}),
        }


def split_sha256(items: Sequence[Mapping[str, Any]]) -> str:
    """Hash which images, labels, boxes and outlines a split has, in any order; the same on another machine."""

    def numbers(boxes: Sequence[Sequence[float]] | None) -> str:
        return "unknown" if boxes is None else "; ".join(" ".join(f"{edge:.6g}" for edge in box) for box in boxes)

    lines = sorted(
        f"{item['name']} {item['class_name']} {numbers(item.get('boxes'))}"
        + "".join(f"; outline {numbers(each)}" for each in item.get("polygons") or ())
        for item in items
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class BoxGroups(NamedTuple):
    """The M true boxes of N images, image by image in the order of the items' ``boxes``."""

    image: np.ndarray  # (M,) int, index of the image
    groups: Groups


def box_groups(items: Sequence[Mapping[str, Any]]) -> BoxGroups:
    """Group true boxes (``boxes`` in pixels, ``size`` [height, width], ``box_types``), each in one group of each kind.

    Raises:
        ValueError: types that are not one per box.
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
