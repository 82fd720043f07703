"""One image of a data set, as every loader gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_tbkd.data.files.paths import absolute_path
from monai_tbkd.data.lists.image_classes import class_label
from monai_tbkd.data.readers import whole_image_size
from monai_tbkd.data.readers.reason_codes import ImageError

DatalistItem = dict[str, Any]
"""A plain dict that goes into JSON as it is; `datalist_item` names its keys."""

Boxes = list[list[float]]


def datalist_item(
    path: Path,
    name: str,
    class_name: str,
    split: str,
    num_classes: int = 2,
    boxes: Boxes | None = None,
    box_types: list[str] | None = None,
    size: list[int] | None = None,
    patient_id: str | None = None,
    drawn_on: tuple[float, float] | None = None,
) -> DatalistItem:
    """Put one image into the form that all loaders share.

    Args:
        path: the file.
        name: stable id, for example ``"tb/tb0005.png"``.
        class_name: ``"health"``, ``"sick"`` or ``"tb"``.
        split: the data set's own split, ``"train"`` where it has none.
        num_classes: label scheme, see `class_label`.
        boxes: ``[xmin, ymin, xmax, ymax]`` (x = column, half-open); None or an empty list on a TB image is a missing
            annotation.
        box_types: one word a box.
        size: ``[height, width]`` where already known, else read from the file's header.
        patient_id: where known.
        drawn_on: (height, width) of the version of the image that boxes are in pixels of, (1, 1) for fractions; None:
            of the file.

    Returns:
        ``image`` (absolute path), ``name``, ``class_name``, ``label``, ``boxes`` in pixels of the file (None: TB image
        whose annotation is missing; ``[]``: no TB), ``box_types``, ``size`` (None if the header cannot be read, with
        the reason under ``fault``), ``split`` and, where known, ``patient_id``.

    Example:
        >>> item = datalist_item(Path("/a.png"), "a", "tb", "train", boxes=[[0, 1, 5, 2]], size=[8, 9], drawn_on=(4, 9))
        >>> item["label"], item["boxes"]
        (1, [[0.0, 2.0, 5.0, 4.0]])
    """
    item: DatalistItem = {
        "image": str(absolute_path(path)),
        "name": name,
        "class_name": class_name,
        "label": class_label(class_name, num_classes),
        "size": size,
        "split": split,
    }
    if size is None:
        try:
            item["size"] = list(whole_image_size(path))
        except ImageError as error:  # reported with all others by datalist_findings
            item["fault"] = str(error)
    if drawn_on and boxes:
        boxes = scaled_boxes(boxes, drawn_on, item["size"]) if item["size"] else None
    item["boxes"] = (boxes or None) if class_name == "tb" else []
    item["box_types"] = list(box_types or []) if item["boxes"] else []
    if patient_id:
        item["patient_id"] = patient_id
    return item


def scaled_boxes(boxes: Boxes, drawn_on: Sequence[float], size: Sequence[float]) -> Boxes:
    """Scale boxes from an image of one (height, width) to another."""
    y, x = size[0] / drawn_on[0], size[1] / drawn_on[1]
    return [[box[0] * x, box[1] * y, box[2] * x, box[3] * y] for box in boxes]


def image_labels(items: Sequence[DatalistItem]) -> list[DatalistItem]:
    """Keep what training may see: image, image-level label, name and source, never a box.

    Example:
        >>> image_labels([{"image": "/a.png", "label": 1, "name": "a", "boxes": [[0, 0, 9, 9]]}])
        [{'image': '/a.png', 'label': 1, 'name': 'a'}]
    """
    return [{key: item[key] for key in ("image", "label", "name", "source") if key in item} for item in items]


def evaluation_items(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Keep what an evaluator needs of each item.

    Returns:
        ``image``, ``name``, ``label``, ``tb`` (array ``(1,)``, 1 for TB), ``boxes`` and ``polygons`` in image pixels
        (empty lists where there are none or they are unknown) and ``size`` [height, width].
    """
    return [
        {
            **{key: item[key] for key in ("image", "name", "label", "size")},
            "tb": np.array([item["class_name"] == "tb"], dtype=np.int64),
            "boxes": item["boxes"] or [],
            "polygons": item.get("polygons") or [],
        }
        for item in items
    ]
