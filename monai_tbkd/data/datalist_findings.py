"""Find what is wrong with a data list: all of it, not only the first fault."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_tbkd.data.datalist_error import DatalistError, name_first
from monai_tbkd.data.datalist_item import Boxes, DatalistItem
from monai_tbkd.data.mask_pictures import find_masks

logger = logging.getLogger(__name__)

_TOLERANCE = 1.0
"""How far, in pixels, a box may reach over the image's edge through rounding; it is clipped."""
_CORNER = 64
"""A box that lies in the first 64th of width and height shows no lung; boxes in fractions do."""
_SEVERAL = 5
"""Boxes; fewer may lie in one part of their images by chance."""

SEVERITIES = ("note", "warning", "error")
"""A note changes nothing, a warning costs trust in the numbers, with an error the data set is refused."""

Splits = Mapping[str, Sequence[DatalistItem]]


@dataclass(frozen=True)
class Finding:
    """One thing that was found, in all the images that have it.

    Attributes:
        kind: a word for programs, such as ``"box_outside"``.
        severity: one of `SEVERITIES`.
        sentence: what was found and how to mend it.
        films: names of the images concerned; empty where names could tell who a patient is.
    """

    kind: str
    severity: str
    sentence: str
    films: tuple[str, ...] = ()


def finding(
    kind: str, severity: str, what: str, named: Iterable[object], mend: str, films: Iterable[str] | None = None
) -> list[Finding]:
    """A finding with the sentence ``what (count: the first names)mend``; none where nothing is named.

    Args:
        kind: see `Finding`.
        severity: see `Finding`.
        what: was found.
        named: in the sentence.
        mend: what follows in the sentence, its punctuation included.
        films: names of the images; those named by default.
    """
    listed = [str(name) for name in named]
    names = tuple(dict.fromkeys(listed if films is None else films))
    return [Finding(kind, severity, f"{what} ({name_first(listed)}){mend}", names)] if listed else []


def check_datalist(
    splits: dict[str, list[DatalistItem]], missing_annotation: str = "warn"
) -> dict[str, list[DatalistItem]]:
    """Check images, boxes and splits; all faults are gathered into one error, a sentence each.

    Args:
        splits: data list items by split; ``"train"`` is checked for its classes.
        missing_annotation: ``"warn"`` logs TB images without boxes, ``"error"`` refuses them.

    Returns:
        The same, with boxes that reach over the edge by up to 1 pixel clipped.

    Raises:
        DatalistError: no image, a finding of `datalist_findings` that is an error, or (if asked for) a TB image without
            boxes.
        ValueError: `missing_annotation` is not known.

    Example:
        >>> well = {"image": "/a.png", "name": "a", "class_name": "health", "label": 0, "boxes": [], "size": [9, 9]}
        >>> sick = {**well, "image": "/b.png", "name": "b", "class_name": "tb", "label": 1, "boxes": [[-1, 2, 5, 9]]}
        >>> check_datalist({"train": [well, sick]})["train"][1]["boxes"]
        [[0.0, 2, 5, 9]]
    """
    if missing_annotation not in ("warn", "error"):
        raise ValueError(f"missing_annotation is {missing_annotation!r}; expected 'warn' or 'error'.")
    if not any(splits.values()):
        raise DatalistError("The data set has no film; check dataset_dir.")
    findings = datalist_findings(splits)
    faults = [each.sentence for each in findings if each.severity == "error"]
    warnings = [each for each in findings if each.severity == "warning"]
    if missing_annotation == "error":
        faults += [
            f"TB films without an annotation ({name_first(each.films)}); annotate them or take them out."
            for each in warnings
            if each.kind == "not_annotated"
        ]
    if faults:
        raise DatalistError(" ".join(faults))
    for each in warnings:
        logger.warning("%s", each.sentence)
    return {name: [clip_boxes(item)[0] for item in part] for name, part in splits.items()}


def datalist_findings(splits: Splits) -> list[Finding]:
    """Look for everything that can be seen without decoding all images.

    Args:
        splits: data list items by split; ``"train"`` is checked for its classes.

    Returns:
        Images that are missing, whose header cannot be read, that are listed twice or share a name; files that two
        sources have (an error across splits, else a warning); patients in two splits; boxes outside their image,
        without area or of less than a pixel; masks; one class only in train; TB images without boxes (a warning). No
        finding holds a patient's id.

    Example:
        >>> [finding.kind for finding in datalist_findings({"train": []})]
        ['one_label']
    """
    items = [item for part in splits.values() for item in part]
    unread = [item for item in items if item["size"] is None]
    missing = [item["name"] for item in unread if not Path(item["image"]).exists()]
    broken = [item for item in unread if Path(item["image"]).exists()]
    # An image that cannot be read has lost its boxes with its size; that is another finding.
    bare = [item["name"] for item in items if item["class_name"] == "tb" and item["boxes"] is None and item["size"]]
    faults, names = [item["fault"] for item in broken], [item["name"] for item in broken]
    outside = [(item, box) for item in items for box in clip_boxes(item)[1]]
    return [
        *finding(
            "missing_film", "error", "Listed films that do not exist", missing, "; add them or take them off the list."
        ),
        *finding("unreadable", "error", "Films that cannot be read", faults, "; replace them or take them out.", names),
        *_twice(splits),
        *_in_two_sources(splits),
        *_same_names(items),
        *_patients(splits),
        *_box_finding(
            items, outside, "box_outside", "error", "Boxes outside their film or without area",
            "mend the annotations: [xmin, ymin, xmax, ymax] in pixels of the film file",
        ),
        *box_unit_findings(items),
        *_masks(items),
        *_one_label(splits.get("train", [])),
        *finding(
            "not_annotated", "warning", "TB films without an annotation", bare,
            ": they train by their image label and are left out of localization scores.",
        ),
    ]  # fmt: skip


def clip_boxes(item: DatalistItem) -> tuple[DatalistItem, Boxes]:
    """Clip boxes that reach over the image's edge by up to a pixel.

    Returns:
        The item, a changed copy if it has boxes, and those of its boxes that lie outside the image or have no area.
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


def box_unit_findings(items: Sequence[DatalistItem]) -> list[Finding]:
    """Find boxes that are not in pixels of their image: fractions, less than a pixel, or of a smaller copy."""
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
    named = name_first(
        f"{item['name']} has [{', '.join(f'{edge:g}' for edge in box)}] on {item['size'][0]} x {item['size'][1]} "
        "pixels (height x width)"
        for item, box in found
    )
    boxes = sum(len(item["boxes"] or []) for item in items)
    sentence = f"{what} ({named}; {boxes} boxes in all); {mend}."
    return [Finding(kind, severity, sentence, tuple(dict.fromkeys(item["name"] for item, _ in found)))] if found else []


def _twice(splits: Splits) -> list[Finding]:
    where: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for split, part in splits.items():
        for item in part:
            # The real path: a link to an image of another split is that image.
            where[os.path.realpath(item["image"])].append((split, item["name"]))
    several = [(found[0][1], sorted({split for split, _ in found})) for found in where.values() if len(found) > 1]
    across = {name: f"{name} in {' and '.join(own)}" for name, own in several if len(own) > 1}
    within = [name for name, own in several if len(own) == 1]
    return [
        *finding(
            "film_in_two_splits", "error", "The same film in two splits", across.values(), "; keep it in one.", across
        ),
        *finding("listed_twice", "error", "Films listed twice", within, "; list each once."),
    ]


def _in_two_sources(splits: Splits) -> list[Finding]:
    """Images whose file two sources have, byte for byte; files of a size that no other source has are not read."""
    listed = [(split, item) for split, part in splits.items() for item in part if item["size"] is not None]

    def of_two_sources(
        groups: Iterable[list[tuple[str, DatalistItem]]],
    ) -> list[list[tuple[str, DatalistItem]]]:
        return [group for group in groups if len({item.get("source") for _, item in group}) > 1]

    if not of_two_sources([listed]):
        return []
    by_size: dict[int, list[tuple[str, DatalistItem]]] = defaultdict(list)
    for split, item in listed:
        by_size[Path(item["image"]).stat().st_size].append((split, item))
    by_content: dict[str, list[tuple[str, DatalistItem]]] = defaultdict(list)
    for group in of_two_sources(by_size.values()):
        for split, item in group:
            with Path(item["image"]).open("rb") as file:
                by_content[hashlib.file_digest(file, "sha256").hexdigest()].append((split, item))
    findings = []
    for severity, across in (("error", True), ("warning", False)):
        chosen = [g for g in of_two_sources(by_content.values()) if (len({split for split, _ in g}) > 1) is across]
        named = [" and ".join(f"{item['name']} of {item.get('source')}" for _, item in group) for group in chosen]
        films = [item["name"] for group in chosen for _, item in group]
        what = f"The same image in two sources{' and two splits' if across else ''}"
        findings += finding("image_in_two_sources", severity, what, named, "; take it out of one.", films)
    return findings


def _same_names(items: list[DatalistItem]) -> list[Finding]:
    # Maps and scores are kept by name, so that a name must mean one image.
    where: dict[str, set[str]] = defaultdict(set)
    for item in items:
        where[item["name"]].add(item["image"])
    shared = {name: " and ".join(sorted(paths)) for name, paths in where.items() if len(paths) > 1}
    mend = "; rename one, or keep them under one folder."
    return finding("same_name", "error", "Different films of one name", shared.values(), mend, shared)


def _patients(splits: Splits) -> list[Finding]:
    where: dict[str, set[str]] = defaultdict(set)
    for split, part in splits.items():
        for item in part:
            if item.get("patient_id"):
                where[str(item["patient_id"])].add(split)
    # Neither the ids nor the images: a report ends up in logs.
    straddling = sum(len(found) > 1 for found in where.values())
    sentence = f"Patients with films in two splits ({straddling}); mend the split column or the patient_id column."
    return [Finding("patient_in_two_splits", "error", sentence)] if straddling else []


def _masks(items: list[DatalistItem]) -> list[Finding]:
    masks = find_masks(items)
    sentence = f"Masks among the films ({name_first(masks)}; {len(items)} films in all); take them out of the data set."
    return [Finding("mask", "error", sentence, tuple(masks))] if masks else []


def _one_label(train: Sequence[DatalistItem]) -> list[Finding]:
    if len({str(item["label"]) for item in train}) > 1:  # labels of halves are arrays
        return []
    found = sorted({item["class_name"] for item in train})
    sentence = (
        f"The train split has films of one label only ({', '.join(found) or 'no film at all'}); "
        "add films of the others, with dataset_dir a list of folders if they are elsewhere."
    )
    return [Finding("one_label", "error", sentence)]
