"""One film of a data set, as every loader gives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai_tbkd.data.absolute_path import absolute_path
from monai_tbkd.data.film_classes import class_label
from monai_tbkd.data.readers import film_size
from monai_tbkd.data.reason_codes import FilmError

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
) -> DatalistItem:
    """Put one film into the form that all loaders share.

    Args:
        path: the film.
        name: stable id, for example ``"tb/tb0005.png"``.
        class_name: ``"health"``, ``"sick"`` or ``"tb"``.
        split: the data set's own split, ``"train"`` where it has none.
        num_classes: label scheme, see `class_label`.
        boxes: ``[xmin, ymin, xmax, ymax]`` in pixels of the film file (x = column, half-open); None or an empty list on
            a TB film is a missing annotation.
        box_types: one word a box.
        size: ``[height, width]`` where already known, else read from the film's header.
        patient_id: where known.

    Returns:
        ``image`` (absolute path), ``name``, ``class_name``, ``label``, ``boxes`` (None: TB film whose annotation is
        missing; ``[]``: no TB), ``box_types``, ``size`` (None if the header cannot be read, with the sentence under
        ``fault``), ``split`` and, where known, ``patient_id``.

    Example:
        >>> datalist_item(Path("/d/a.png"), "tb/a.png", "tb", "train", size=[512, 512])["label"]
        1
    """
    item: DatalistItem = {
        # Not resolve(): a data set of links into a store keeps its own names.
        "image": str(absolute_path(path)),
        "name": name,
        "class_name": class_name,
        "label": class_label(class_name, num_classes),
        "boxes": (boxes or None) if class_name == "tb" else [],
        "box_types": list(box_types or []) if class_name == "tb" and boxes else [],
        "size": size,
        "split": split,
    }
    if size is None:
        try:
            item["size"] = list(film_size(path))
        except FilmError as error:
            # Collected, not raised: check_datalist counts all of them in one message.
            item["fault"] = str(error)
    if patient_id:
        item["patient_id"] = patient_id
    return item


def image_labels(items: list[DatalistItem]) -> list[DatalistItem]:
    """Keep what training may see: the film and its image-level label, never a box.

    Args:
        items: data list items.

    Returns:
        One ``{"image", "label", "name"}`` an item, and its ``source`` where it has one.

    Example:
        >>> image_labels([{"image": "/a.png", "label": 1, "name": "a", "boxes": [[0, 0, 9, 9]]}])
        [{'image': '/a.png', 'label': 1, 'name': 'a'}]
    """
    return [{key: item[key] for key in ("image", "label", "name", "source") if key in item} for item in items]
