"""Find what is wrong with a data set before training starts."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from pathlib import Path

from monai_tbkd.data.datalist_error import DatalistError, name_first
from monai_tbkd.data.datalist_item import DatalistItem

logger = logging.getLogger(__name__)

_TOLERANCE = 1.0
"""How far, in pixels, a box may reach over the film's edge through rounding; it is clipped."""


def check_datalist(
    splits: dict[str, list[DatalistItem]], missing_annotation: str = "warn"
) -> dict[str, list[DatalistItem]]:
    """Check films, boxes and splits; all faults are gathered into one error, a sentence each.

    Args:
        splits: data list items by split; ``"train"`` is checked for its classes.
        missing_annotation: ``"warn"`` logs TB films without boxes, ``"error"`` refuses them.

    Returns:
        The same, with boxes that reach over the edge by up to 1 pixel clipped.

    Raises:
        DatalistError: no film, a film that is missing or cannot be read, a box outside its film or without area, a
            film twice, one class only in train, or (if asked for) a TB film without boxes.
        ValueError: `missing_annotation` is not known.

    Example:
        >>> well = {"image": "/a.png", "name": "a", "class_name": "health", "label": 0, "boxes": [], "size": [9, 9]}
        >>> sick = {**well, "image": "/b.png", "name": "b", "class_name": "tb", "label": 1, "boxes": [[-1, 2, 5, 9]]}
        >>> check_datalist({"train": [well, sick]})["train"][1]["boxes"]
        [[0.0, 2, 5, 9]]
    """
    if missing_annotation not in ("warn", "error"):
        raise ValueError(f"missing_annotation is {missing_annotation!r}; expected 'warn' or 'error'.")
    items = [item for part in splits.values() for item in part]
    if not items:
        raise DatalistError("The data set has no film; check dataset_dir.")
    faults = [*_missing_films(items), *_twice(splits), *_same_names(items), *_patients(splits)]
    checked: dict[str, list[DatalistItem]] = {}
    outside: list[str] = []
    for name, part in splits.items():
        checked[name] = [_clip_boxes(item, outside) for item in part]
    if outside:
        faults.append(f"Boxes outside their film or without area ({name_first(outside)}); mend the annotations.")
    classes = {item["label"] for item in splits.get("train", [])}
    if len(classes) < 2:
        found = sorted({item["class_name"] for item in splits.get("train", [])})
        faults.append(
            f"The train split has films of one label only ({', '.join(found) or 'no film at all'}); "
            "add films of the others, with dataset_dir a list of folders if they are elsewhere."
        )
    bare = [item["name"] for item in items if item["class_name"] == "tb" and item["boxes"] is None]
    if bare and missing_annotation == "error":
        faults.append(f"TB films without an annotation ({name_first(bare)}); annotate them or take them out.")
    if faults:
        raise DatalistError(" ".join(faults))
    if bare:
        logger.warning(
            "TB films without an annotation (%s): they train by their image label and are left out of localization "
            "scores.",
            name_first(bare),
        )
    return checked


def _missing_films(items: list[DatalistItem]) -> list[str]:
    missing = [item["name"] for item in items if item["size"] is None and not Path(item["image"]).exists()]
    broken = [item["fault"] for item in items if item["size"] is None and Path(item["image"]).exists()]
    faults = []
    if missing:
        faults.append(f"Listed films that do not exist ({name_first(missing)}); add them or take them off the list.")
    if broken:
        faults.append(f"Films that cannot be read ({name_first(broken)}); replace them or take them out.")
    return faults


def _twice(splits: dict[str, list[DatalistItem]]) -> list[str]:
    where: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for split, part in splits.items():
        for item in part:
            # The real path: a link to a film of another split is that film.
            where[os.path.realpath(item["image"])].append((split, item["name"]))
    across = [f"{found[0][1]} in {' and '.join(sorted({split for split, _ in found}))}"
              for found in where.values() if len({split for split, _ in found}) > 1]  # fmt: skip
    within = [found[0][1] for found in where.values() if len(found) > 1 and len({split for split, _ in found}) == 1]
    faults = []
    if across:
        faults.append(f"The same film in two splits ({name_first(across)}); keep it in one.")
    if within:
        faults.append(f"Films listed twice ({name_first(within)}); list each once.")
    return faults


def _same_names(items: list[DatalistItem]) -> list[str]:
    # Maps and scores are kept by name, so that a name must mean one film.
    where: dict[str, set[str]] = defaultdict(set)
    for item in items:
        where[item["name"]].add(item["image"])
    shared = [f"{' and '.join(sorted(paths))}" for paths in where.values() if len(paths) > 1]
    if not shared:
        return []
    return [f"Different films of one name ({name_first(shared)}); rename one, or keep them under one folder."]


def _patients(splits: dict[str, list[DatalistItem]]) -> list[str]:
    where: dict[str, set[str]] = defaultdict(set)
    for split, part in splits.items():
        for item in part:
            if item.get("patient_id"):
                where[str(item["patient_id"])].add(split)
    # Not the ids themselves: an error message ends up in logs.
    straddling = sum(len(found) > 1 for found in where.values())
    if straddling:
        return [f"Patients with films in two splits ({straddling}); mend the split column or the patient_id column."]
    return []


def _clip_boxes(item: DatalistItem, outside: list[str]) -> DatalistItem:
    if not item["boxes"] or item["size"] is None:
        return item
    height, width = item["size"]
    clipped = []
    for box in item["boxes"]:
        xmin, ymin, xmax, ymax = box
        inside = min(xmin, ymin) >= -_TOLERANCE and xmax <= width + _TOLERANCE and ymax <= height + _TOLERANCE
        kept = [max(xmin, 0.0), max(ymin, 0.0), min(xmax, float(width)), min(ymax, float(height))]
        if not inside or kept[2] <= kept[0] or kept[3] <= kept[1]:
            edges = ", ".join(f"{edge:g}" for edge in box)
            outside.append(f"{item['name']} has [{edges}] on {height} x {width} pixels (height x width)")
        clipped.append(kept)
    return {**item, "boxes": clipped}
