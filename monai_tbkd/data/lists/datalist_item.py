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
    boxes: Boxes | None = None,
    box_types: list[str] | None = None,
    patient_id: str | None = None,
    drawn_on: tuple[float, float] | None = None,
) -> DatalistItem:
    """Put one image into the form that all loaders share.

    Args:
        path: the file.
        name: stable id, for example ``"tb/tb0005.png"``.
        class_name: ``"health"``, ``"sick"`` or ``"tb"``.
        split: the data set's own split, ``"train"`` where it has none.
        boxes: ``[xmin, ymin, xmax, ymax]`` (x = column, half-open); without any, a TB image is not annotated.
        box_types: one word a box.
        patient_id: where known.
        drawn_on: (height, width) of the version of the image that boxes are in pixels of, (1, 1) for fractions; None:
            of the file.

    Returns:
        ``image`` (absolute path), ``name``, ``class_name``, ``label`` (1 for TB), ``boxes`` in pixels of the file
        (None: TB image whose annotation is missing; ``[]``: no TB), ``box_types``, ``size`` [height, width] from the
        file's header (None if it cannot be read, with the reason under ``fault``), ``split`` and, where known,
        ``patient_id``.
    """
    label = class_label(class_name)
    item: DatalistItem = {"image": str(absolute_path(path)), "name": name, "class_name": class_name, "label": label}
    try:
        item["size"] = height, width = list(whole_image_size(path))
        scale_y, scale_x = (height / drawn_on[0], width / drawn_on[1]) if drawn_on else (1, 1)
        boxes = [[x0 * scale_x, y0 * scale_y, x1 * scale_x, y1 * scale_y] for x0, y0, x1, y1 in boxes or []]
    except ImageError as error:  # reported with all others by datalist_findings
        item |= {"size": None, "fault": str(error)}
        boxes = None if drawn_on else boxes
    item["split"] = split
    item["boxes"] = (boxes or None) if class_name == "tb" else []
    item["box_types"] = list(box_types or []) if item["boxes"] else []
    if patient_id:
        item["patient_id"] = patient_id
    return item


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
