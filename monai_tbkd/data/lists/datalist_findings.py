"""Find what is wrong with a data list: all of it, not only the first fault."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_tbkd.data.files.paths import content_sha256
from monai_tbkd.data.lists.datalist_error import DatalistError, name_first
from monai_tbkd.data.lists.datalist_item import Boxes, DatalistItem
from monai_tbkd.data.lists.mask_pictures import find_masks

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
Listed = list[tuple[str, DatalistItem]]  # with the split


@dataclass(frozen=True)
class Finding:
    """One thing that was found, in all the images that have it.

    Attributes:
        kind: a word for programs, such as ``"box_outside"``.
        severity: one of `SEVERITIES`.
        sentence: what was found and how to fix it.
        images: names of the images concerned; empty where names could tell who a patient is.
    """

    kind: str
    severity: str
    sentence: str
    images: tuple[str, ...] = ()


class Findings(list[Finding]):
    """Findings in the order in which they were made."""

    def add(
        self, kind: str, severity: str, what: str, named: Iterable[object], fix: str,
        images: Iterable[str] | None = None, total: str = "",
    ) -> None:  # fmt: skip
        """Add ``what (count: first names; total)fix``, unless nothing is named; `images` None: those named."""
        listed = [str(name) for name in named]
        names = tuple(dict.fromkeys(listed if images is None else images))
        if listed:
            self.append(Finding(kind, severity, f"{what} ({name_first(listed)}{total}){fix}", names))


def check_datalist(splits: Splits, missing_annotation: str = "warn") -> dict[str, list[DatalistItem]]:
    """Check images, boxes and splits; all faults are gathered into one error, a sentence each.

    Args:
        splits: data list items by split; ``"train"`` is checked for its classes.
        missing_annotation: ``"warn"`` logs TB images without boxes, ``"error"`` refuses them.

    Returns:
        The same, with boxes that reach over the edge by up to 1 pixel clipped.

    Raises:
        DatalistError: no image, an error among `datalist_findings`, or (if asked for) a TB image without boxes.
    """
    if missing_annotation not in ("warn", "error"):
        raise ValueError(f"missing_annotation is {missing_annotation!r}; expected 'warn' or 'error'.")
    if not any(splits.values()):
        raise DatalistError("The data set has no image; check dataset_dir.")
    faults: list[str] = []
    warnings: list[str] = []
    for each in datalist_findings(splits):
        if each.kind == "not_annotated" and missing_annotation == "error":
            faults.append(
                f"TB images without an annotation ({name_first(each.images)}); annotate them or take them out."
            )
        else:
            (faults if each.severity == "error" else warnings).append(each.sentence)
    if faults:
        raise DatalistError(" ".join(faults))
    for sentence in warnings:
        logger.warning("%s", sentence)
    return {name: [clip_boxes(item)[0] for item in part] for name, part in splits.items()}


def datalist_findings(splits: Splits) -> Findings:
    """Look for everything that can be seen without decoding all images; no finding holds a patient's id.

    Example:
        >>> [finding.kind for finding in datalist_findings({"train": []})]  # train has to have two labels
        ['one_label']
    """
    found = Findings()
    items = [item for part in splits.values() for item in part]
    unread = [item for item in items if item["size"] is None]
    missing = [item["name"] for item in unread if not Path(item["image"]).exists()]
    broken = [item for item in unread if Path(item["image"]).exists()]
    fix = "; add them or take them off the list."
    found.add("missing_image", "error", "Listed images that do not exist", missing, fix)
    fix, faults, names = "; replace them or take them out.", [i["fault"] for i in broken], [i["name"] for i in broken]
    found.add("unreadable", "error", "Images that cannot be read", faults, fix, names)
    _find_twice(splits, found)
    _find_in_two_sources(splits, found)
    paths = _grouped(items, lambda item: item["name"])  # maps and scores are kept by name
    shared = {name: sorted({item["image"] for item in own}) for name, own in paths.items()}
    several = {name: " and ".join(own) for name, own in shared.items() if len(own) > 1}
    fix = "; rename one, or keep them under one folder."
    found.add("same_name", "error", "Different images of one name", several.values(), fix, several)
    patients = _grouped(_by_split(splits), lambda each: str(each[1].get("patient_id") or "")).items()
    straddling = sum(len({split for split, _ in group}) > 1 for patient, group in patients if patient)
    if straddling:  # neither the ids nor the images: a report ends up in logs
        sentence = f"Patients with images in two splits ({straddling}); fix the split column or the patient_id column."
        found.append(Finding("patient_in_two_splits", "error", sentence))
    outside = [(item, box) for item in items for box in clip_boxes(item)[1]]
    fix = "fix the annotations: [xmin, ymin, xmax, ymax] in pixels of the image file"
    what = "Boxes outside their image or without area"
    _add_boxes(found, items, outside, "box_outside", "error", what, fix)
    found += box_unit_findings(items)
    fix, total = "; take them out of the data set.", f"; {len(items)} images in all"
    found.add("mask", "error", "Masks among the images", find_masks(items), fix, total=total)
    train = splits.get("train", [])
    if len({str(item["label"]) for item in train}) < 2:  # labels of halves are arrays
        classes = ", ".join(sorted({item["class_name"] for item in train})) or "no image at all"
        sentence = (
            f"The train split has images of one label only ({classes}); add images of the others, with dataset_dir a "
            "list of folders if they are elsewhere."
        )
        found.append(Finding("one_label", "error", sentence))
    # An image that cannot be read has lost its boxes with its size; that is another finding.
    bare = [item["name"] for item in items if item["class_name"] == "tb" and item["boxes"] is None and item["size"]]
    fix = ": they train by their image label and are left out of localization scores."
    found.add("not_annotated", "warning", "TB images without an annotation", bare, fix)
    return found


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


def box_unit_findings(items: Sequence[DatalistItem]) -> Findings:
    """Find boxes that are not in pixels of their image: fractions, less than a pixel, or of a smaller copy."""
    found = Findings()
    in_corner, thin, upper_left = [], [], []
    boxes = sum(len(item["boxes"] or []) for item in items)
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
    what, fix = "Boxes within the upper left corner, as fractions are", "multiply fractions by width and height"
    _add_boxes(found, items, in_corner, "box_not_in_pixels", "error", what, f"write boxes in pixels: {fix}")
    severity, fix = "error" if len(thin) == boxes else "warning", "fix the annotations or take these boxes out"
    _add_boxes(found, items, thin, "box_below_a_pixel", severity, "Boxes less than one pixel wide or high", fix)
    if len(upper_left) == boxes >= _SEVERAL and not in_corner:
        what = "All boxes lie in the upper left third of their image"
        fix = "see whether they are in pixels of the image file, and not of a smaller copy or in percent"
        _add_boxes(found, items, upper_left, "boxes_upper_left", "warning", what, fix)
    return found


def _add_boxes(
    found: Findings, items: Sequence[DatalistItem], chosen: list[tuple[DatalistItem, list[float]]], kind: str,
    severity: str, what: str, fix: str,
) -> None:  # fmt: skip
    named = [
        f"{item['name']} has [{', '.join(f'{edge:g}' for edge in box)}] on {item['size'][0]} x {item['size'][1]} "
        "pixels (height x width)"
        for item, box in chosen
    ]
    total = f"; {sum(len(item['boxes'] or []) for item in items)} boxes in all"
    found.add(kind, severity, what, named, f"; {fix}.", [item["name"] for item, _ in chosen], total)


def _grouped(listed: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups = defaultdict(list)
    for each in listed:
        groups[key(each)].append(each)
    return groups


def _by_split(splits: Splits) -> Listed:
    return [(split, item) for split, part in splits.items() for item in part]


def _find_twice(splits: Splits, found: Findings) -> None:
    # The real path: a link to an image of another split is that image.
    groups = _grouped(_by_split(splits), lambda each: os.path.realpath(each[1]["image"])).values()
    several = [(own[0][1]["name"], sorted({split for split, _ in own})) for own in groups if len(own) > 1]
    across = {name: f"{name} in {' and '.join(own)}" for name, own in several if len(own) > 1}
    what, fix = "The same image in two splits", "; keep it in one."
    found.add("image_in_two_splits", "error", what, across.values(), fix, across)
    within = [name for name, own in several if len(own) == 1]
    found.add("listed_twice", "error", "Images listed twice", within, "; list each once.")


def _find_in_two_sources(splits: Splits, found: Findings) -> None:
    """Images whose file two sources have, byte for byte; files of a size that no other source has are not read."""
    groups: list[Listed] = [[each for each in _by_split(splits) if each[1]["size"] is not None]]
    for key in (bool, lambda path: Path(path).stat().st_size, content_sha256):  # bool: all in one group
        parts = [
            part for group in groups for part in _grouped(group, lambda each, key=key: key(each[1]["image"])).values()
        ]
        groups = [part for part in parts if len({item.get("source") for _, item in part}) > 1]
    for severity, across in (("error", True), ("warning", False)):
        chosen = [group for group in groups if (len({split for split, _ in group}) > 1) is across]
        named = [" and ".join(f"{item['name']} of {item.get('source')}" for _, item in group) for group in chosen]
        what = f"The same image in two sources{' and two splits' if across else ''}"
        images = [item["name"] for group in chosen for _, item in group]
        found.add("image_in_two_sources", severity, what, named, "; take it out of one.", images)
