"""What is wrong with a data list: all of it, not only the first."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_tbkd.data.datalist_error import name_first
from monai_tbkd.data.datalist_item import Boxes, DatalistItem
from monai_tbkd.data.mask_pictures import find_masks

_TOLERANCE = 1.0
"""How far, in pixels, a box may reach over the film's edge through rounding; it is clipped."""

_CORNER = 64
"""A box that lies in the first 64th of width and height shows no lung; boxes in fractions do."""
_SEVERAL = 5
"""Boxes; fewer may lie in one part of their films by chance."""

SEVERITIES = ("note", "warning", "error")
"""A note changes nothing, a warning costs trust in the numbers, with an error the data set is refused."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found, in all the films that have it.

    Attributes:
        kind: a word for programs, such as ``"box_outside"``.
        severity: one of `SEVERITIES`.
        sentence: what was found and how to mend it.
        films: names of the films concerned; empty where names could tell who a patient is.
    """

    kind: str
    severity: str
    sentence: str
    films: tuple[str, ...] = ()


def datalist_findings(splits: Mapping[str, Sequence[DatalistItem]]) -> list[Finding]:
    """Look for everything that can be seen without decoding all films.

    Args:
        splits: data list items by split; ``"train"`` is checked for its classes.

    Returns:
        Films that are missing, whose header cannot be read, that are listed twice or share a name; files that two
        sources have (an error across splits, else a warning); patients in two
        splits; boxes outside their film, without area or of less than a pixel; masks; one class only in train; TB films
        without boxes (a warning). No finding holds a patient's id.

    Example:
        >>> [finding.kind for finding in datalist_findings({"train": []})]
        ['one_label']
    """
    items = [item for part in splits.values() for item in part]
    return [
        *_missing_films(items),
        *_twice(splits),
        *_in_two_sources(splits),
        *_same_names(items),
        *_patients(splits),
        *_boxes_outside(items),
        *box_unit_findings(items),
        *_masks(items),
        *_one_label(splits.get("train", [])),
        *_not_annotated(items),
    ]


def clip_boxes(item: DatalistItem) -> tuple[DatalistItem, Boxes]:
    """Clip boxes that reach over the film's edge by up to a pixel.

    Args:
        item: a data list item.

    Returns:
        The item, a changed copy if it has boxes, and those of its boxes that lie outside the film or have no area.
    """
    if not item["boxes"] or item["size"] is None:
        return item, []
    height, width = item["size"]
    clipped, outside = [], []
    for box in item["boxes"]:
        xmin, ymin, xmax, ymax = box
        inside = min(xmin, ymin) >= -_TOLERANCE and xmax <= width + _TOLERANCE and ymax <= height + _TOLERANCE
        kept = [max(xmin, 0.0), max(ymin, 0.0), min(xmax, float(width)), min(ymax, float(height))]
        # "not >" instead of "<=": nan is not inside either.
        if not inside or not kept[2] > kept[0] or not kept[3] > kept[1]:
            outside.append(box)
        clipped.append(kept)
    return {**item, "boxes": clipped}, outside


def _missing_films(items: list[DatalistItem]) -> list[Finding]:
    unread = [item for item in items if item["size"] is None]
    missing = [item["name"] for item in unread if not Path(item["image"]).exists()]
    broken = [item for item in unread if Path(item["image"]).exists()]
    findings = []
    if missing:
        sentence = f"Listed films that do not exist ({name_first(missing)}); add them or take them off the list."
        findings.append(Finding("missing_film", "error", sentence, tuple(missing)))
    if broken:
        faults = name_first(item["fault"] for item in broken)
        sentence = f"Films that cannot be read ({faults}); replace them or take them out."
        findings.append(Finding("unreadable", "error", sentence, tuple(item["name"] for item in broken)))
    return findings


def _twice(splits: Mapping[str, Sequence[DatalistItem]]) -> list[Finding]:
    where: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for split, part in splits.items():
        for item in part:
            # The real path: a link to a film of another split is that film.
            where[os.path.realpath(item["image"])].append((split, item["name"]))
    several = [found for found in where.values() if len(found) > 1]
    across = [found for found in several if len({split for split, _ in found}) > 1]
    within = [found[0][1] for found in several if len({split for split, _ in found}) == 1]
    findings = []
    if across:
        named = name_first(
            f"{found[0][1]} in {' and '.join(sorted({split for split, _ in found}))}" for found in across
        )
        sentence = f"The same film in two splits ({named}); keep it in one."
        findings.append(Finding("film_in_two_splits", "error", sentence, tuple(found[0][1] for found in across)))
    if within:
        sentence = f"Films listed twice ({name_first(within)}); list each once."
        findings.append(Finding("listed_twice", "error", sentence, tuple(within)))
    return findings


def _in_two_sources(splits: Mapping[str, Sequence[DatalistItem]]) -> list[Finding]:
    """Images whose file two sources have, byte for byte; files of a size that no other source has are not read."""
    if len({item.get("source") for part in splits.values() for item in part}) < 2:
        return []
    by_size: dict[int, list[tuple[str, DatalistItem]]] = defaultdict(list)
    for split, part in splits.items():
        for item in part:
            if item["size"] is not None:
                by_size[Path(item["image"]).stat().st_size].append((split, item))
    by_content: dict[str, list[tuple[str, DatalistItem]]] = defaultdict(list)
    for same in by_size.values():
        if len({item.get("source") for _, item in same}) > 1:
            for split, item in same:
                with Path(item["image"]).open("rb") as file:
                    by_content[hashlib.file_digest(file, "sha256").hexdigest()].append((split, item))
    found = [each for each in by_content.values() if len({item.get("source") for _, item in each}) > 1]
    findings = []
    for severity, across in (("error", True), ("warning", False)):
        chosen = [each for each in found if (len({split for split, _ in each}) > 1) is across]
        if chosen:
            named = name_first(
                " and ".join(f"{item['name']} of {item.get('source')}" for _, item in each) for each in chosen
            )
            where = "in two sources and two splits" if across else "in two sources"
            sentence = f"The same image {where} ({named}); take it out of one."
            films = tuple(item["name"] for each in chosen for _, item in each)
            findings.append(Finding("image_in_two_sources", severity, sentence, films))
    return findings


def _same_names(items: list[DatalistItem]) -> list[Finding]:
    # Maps and scores are kept by name, so that a name must mean one film.
    where: dict[str, set[str]] = defaultdict(set)
    for item in items:
        where[item["name"]].add(item["image"])
    shared = {name: f"{' and '.join(sorted(paths))}" for name, paths in where.items() if len(paths) > 1}
    if not shared:
        return []
    sentence = (
        f"Different films of one name ({name_first(shared.values())}); rename one, or keep them under one folder."
    )
    return [Finding("same_name", "error", sentence, tuple(shared))]


def _patients(splits: Mapping[str, Sequence[DatalistItem]]) -> list[Finding]:
    where: dict[str, set[str]] = defaultdict(set)
    for split, part in splits.items():
        for item in part:
            if item.get("patient_id"):
                where[str(item["patient_id"])].add(split)
    # Neither the ids nor the films: a report ends up in logs.
    straddling = sum(len(found) > 1 for found in where.values())
    if not straddling:
        return []
    sentence = f"Patients with films in two splits ({straddling}); mend the split column or the patient_id column."
    return [Finding("patient_in_two_splits", "error", sentence)]


def _boxes_outside(items: list[DatalistItem]) -> list[Finding]:
    outside = [(item, box) for item in items for box in clip_boxes(item)[1]]
    return _box_finding(
        items, outside, "box_outside", "error", "Boxes outside their film or without area",
        "mend the annotations: [xmin, ymin, xmax, ymax] in pixels of the film file",
    )  # fmt: skip


def box_unit_findings(items: Sequence[DatalistItem]) -> list[Finding]:
    """Boxes that are not in pixels of their film: fractions, less than a pixel, or of a smaller copy.

    Args:
        items: data list items.

    Returns:
        Errors and warnings, with how many of how many boxes.
    """
    in_corner, thin, upper_left = [], [], []
    for item in items:
        height, width = item["size"] or (0, 0)
        outside = clip_boxes(item)[1]
        for box in (item["boxes"] or []) if item["size"] else []:
            xmin, ymin, xmax, ymax = box
            if box in outside:
                continue
            # Fractions lie within the first pixel of the image that they were drawn on, also after scaling.
            if xmax <= max(1, width / _CORNER) and ymax <= max(1, height / _CORNER):
                in_corner.append((item, box))
            elif min(xmax - xmin, ymax - ymin) < 1:
                thin.append((item, box))
            if xmax <= width / 3 and ymax <= height / 3:
                upper_left.append((item, box))
    boxes = sum(len(item["boxes"] or []) for item in items)
    return [
        *_box_finding(
            items, in_corner, "box_not_in_pixels", "error", "Boxes within the upper left corner, as fractions are",
            "write boxes in pixels: multiply fractions by width and height",
        ),
        *_box_finding(
            items, thin, "box_below_a_pixel", "error" if len(thin) == boxes else "warning",
            "Boxes less than one pixel wide or high", "mend the annotations or take these boxes out",
        ),
        *_box_finding(
            items, upper_left if len(upper_left) == boxes >= _SEVERAL and not in_corner else [], "boxes_upper_left",
            "warning", "All boxes lie in the upper left third of their film",
            "see whether they are in pixels of the film file, and not of a smaller copy or in percent",
        ),
    ]  # fmt: skip


def _box_finding(
    items: Sequence[DatalistItem], found: list[tuple[DatalistItem, list[float]]], kind: str, severity: str, what: str,
    mend: str,
) -> list[Finding]:  # fmt: skip
    if not found:
        return []
    named = name_first(
        f"{item['name']} has [{', '.join(f'{edge:g}' for edge in box)}] on {item['size'][0]} x {item['size'][1]} "
        "pixels (height x width)"
        for item, box in found
    )
    boxes = sum(len(item["boxes"] or []) for item in items)
    sentence = f"{what} ({named}; {boxes} boxes in all); {mend}."
    return [Finding(kind, severity, sentence, tuple(dict.fromkeys(item["name"] for item, _ in found)))]


def _masks(items: list[DatalistItem]) -> list[Finding]:
    masks = find_masks(items)
    if not masks:
        return []
    sentence = f"Masks among the films ({name_first(masks)}; {len(items)} films in all); take them out of the data set."
    return [Finding("mask", "error", sentence, tuple(masks))]


def _one_label(train: Sequence[DatalistItem]) -> list[Finding]:
    if len({str(item["label"]) for item in train}) > 1:  # labels of halves are arrays
        return []
    found = sorted({item["class_name"] for item in train})
    sentence = (
        f"The train split has films of one label only ({', '.join(found) or 'no film at all'}); "
        "add films of the others, with dataset_dir a list of folders if they are elsewhere."
    )
    return [Finding("one_label", "error", sentence)]


def _not_annotated(items: list[DatalistItem]) -> list[Finding]:
    # A film that cannot be read has lost its boxes with its size; that is another finding.
    bare = [item["name"] for item in items if item["class_name"] == "tb" and item["boxes"] is None and item["size"]]
    if not bare:
        return []
    sentence = (
        f"TB films without an annotation ({name_first(bare)}): they train by their image label and are left out of "
        "localization scores."
    )
    return [Finding("not_annotated", "warning", sentence, tuple(bare))]
