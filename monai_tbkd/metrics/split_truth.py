"""What is true of the images of a split, in the forms that metrics ask for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from monai_tbkd.metrics.lesion_groups import box_groups, image_groups
from monai_tbkd.transforms import image_box_mask, rescale_boxes


class SplitTruth:
    """Boxes, masks, labels and patients of a split's images, on a square grid.

    Args:
        items: datalist items.
        grid: cells along each side.

    Example:
        >>> image = {"name": "a", "class_name": "tb", "boxes": [[0, 0, 5, 10]], "box_types": ["active"]}
        >>> SplitTruth([{**image, "size": [10, 10]}], grid=4).boxes[0].tolist()
        [[0.0, 0.0, 2.0, 4.0]]
    """

    def __init__(self, items: Sequence[Mapping[str, Any]], grid: int) -> None:
        self.items, self.grid = list(items), grid
        self.masks = np.stack([image_box_mask(item, grid) for item in items])
        """``(N, grid, grid)`` bool: union of the outlines of lesions, or else of the true boxes."""
        self.boxes = [
            rescale_boxes(torch.tensor(i["boxes"] or []), i["size"], (grid, grid)).double().numpy() for i in items
        ]
        """``(m, 4)`` per image: xmin, ymin, xmax, ymax on the grid."""
        self.tb = np.array([item["class_name"] == "tb" for item in items])
        """``(N,)`` bool: images with TB."""
        self.boxed = np.asarray(self.masks.any(axis=(1, 2)))
        """``(N,)`` bool: images with true boxes."""
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
        classes = sorted({item["class_name"] for item in self.items})
        counts = {f"{c}_images": sum(item["class_name"] == c for item in self.items) for c in classes}
        known = [each for each in self.patients or () if each not in (None, "")]
        patients = (
            {"patients": len(set(known)), "images_without_patient": len(self.items) - len(known)} if known else {}
        )
        return {
            "images": len(self.items),
            **counts,
            "tb_images_with_boxes": int(self.boxed.sum()),
            "boxes": sum(map(len, self.boxes)),
            **patients,
        }


def split_sha256(items: Sequence[Mapping[str, Any]]) -> str:
    """Hash which images, labels, boxes and outlines a split has, in any order; the same on another machine.

    Example:
        >>> a = {"name": "a", "class_name": "tb", "boxes": [[0, 0, 1, 1]]}
        >>> b = {"name": "b", "class_name": "health", "boxes": []}
        >>> split_sha256([a, b]) == split_sha256([b, a])
        True
    """

    def numbers(boxes: Sequence[Sequence[float]] | None) -> str:
        return "unknown" if boxes is None else "; ".join(" ".join(f"{edge:.6g}" for edge in box) for box in boxes)

    lines = sorted(
        f"{item['name']} {item['class_name']} {numbers(item.get('boxes'))}"
        + "".join(f"; outline {numbers(each)}" for each in item.get("polygons") or ())
        for item in items
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
