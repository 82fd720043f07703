"""Find what is wrong with a data list: all of it, not only the first fault."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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


# kind: severity, what was found, and what follows its names in the sentence
_KINDS = {
    "missing_image": ("error", "Listed images that do not exist", "; add them or take them off the list."),
    "unreadable": ("error", "Images that cannot be read", "; replace them or take them out."),
    "undecodable": ("error", "Images whose pixels cannot be used", "; replace them or take them out."),
    "image_in_two_splits": ("error", "The same image in two splits", "; keep it in one."),
    "listed_twice": ("error", "Images listed twice", "; list each once."),
    "image_in_two_sources": ("warning", "The same image in two sources", "; take it out of one."),
    "same_name": ("error", "Different images of one name", "; rename one, or keep them under one folder."),
    "box_outside": ("error", "Boxes outside their image or without area",
        "; fix the annotations: [xmin, ymin, xmax, ymax] in pixels of the image file."),
    "box_not_in_pixels": ("error", "Boxes within the upper left corner, as fractions are",
        "; write boxes in pixels: multiply fractions by width and height."),
    "box_below_a_pixel": ("warning", "Boxes less than one pixel wide or high",
        "; fix the annotations or take these boxes out."),
    "boxes_upper_left": ("warning", "All boxes lie in the upper left third of their image",
        "; see whether they are in pixels of the image file, and not of a smaller copy or in percent."),
    "mask": ("error", "Masks among the images", "; take them out of the data set."),
    "not_annotated": ("warning", "TB images without an annotation",
        ": they train by their image label and are left out of localization scores."),
    "not_listed": ("note", "images that nothing in the data set names are left out", "."),
    "no_own_split": ("note", "No split of its own", ": the reported split is cut by the hash of the name."),
    "duplicates_across_splits": ("warning", "The same image in two splits",
        "; take one of each pair out, or the numbers on the later split are too good."),
    "duplicates_within_split": ("warning", "The same image twice in a split",
        "; take one of each pair out: it weighs double, and a cut by name may tear the pair apart."),
    "duplicates_across_sources": ("warning", "The same image in two sources",
        "; a hospital that is held out is not unseen with it; take it out of one."),
    "duplicates_of_two_classes": ("warning", "The same image with two labels", "; find out which is right."),
    "alike": ("note", "Images so alike that they may be of one person",
        "; look at them, and give them one patient_id if they are."),
}  # fmt: skip


class Findings(list[Finding]):
    """Findings in the order in which they were made."""

    def add(
        self, kind: str, named: Iterable[object], images: Iterable[str] | None = None, total: str = "",
        severity: str | None = None, where: str = "", also: str = "",
    ) -> None:  # fmt: skip
        """Add ``where: what also (count: first names; total)...`` of a kind, unless nothing is named.

        Images are those named where they are not given, and the severity is that of the kind.
        """
        usual, what, rest = _KINDS[kind]
        listed = [str(name) for name in named]
        if listed:
            sentence = f"{where}{what}{also} ({name_first(listed)}{total}){rest}"
            names = tuple(dict.fromkeys(listed if images is None else images))
            self.append(Finding(kind, severity or usual, sentence, names))


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
    listed = [(split, item) for split, part in splits.items() for item in part]
    items = [item for _, item in listed]
    unread = [item for item in items if item["size"] is None]
    found.add("missing_image", [item["name"] for item in unread if not Path(item["image"]).exists()])
    broken = [item for item in unread if Path(item["image"]).exists()]
    found.add("unreadable", [item["fault"] for item in broken], [item["name"] for item in broken])
    # The real path: a link to an image of another split is that image.
    files = _grouped(listed, lambda item: os.path.realpath(item["image"]))
    several = [(own[0][1]["name"], sorted({split for split, _ in own})) for own in files if len(own) > 1]
    across = {name: f"{name} in {' and '.join(own)}" for name, own in several if len(own) > 1}
    found.add("image_in_two_splits", across.values(), across)
    found.add("listed_twice", [name for name, own in several if len(own) == 1])
    _find_in_two_sources(listed, found)
    names = _grouped(listed, lambda item: item["name"])  # maps and scores are kept by name
    paths = {own[0][1]["name"]: sorted({item["image"] for _, item in own}) for own in names}
    shared = {name: " and ".join(own) for name, own in paths.items() if len(own) > 1}
    found.add("same_name", shared.values(), shared)
    known = [(split, item) for split, item in listed if item.get("patient_id")]
    patients = _grouped(known, lambda item: str(item["patient_id"]))
    straddling = sum(len({split for split, _ in group}) > 1 for group in patients)
    if straddling:  # neither the ids nor the images: a report ends up in logs
        sentence = f"Patients with images in two splits ({straddling}); fix the split column or the patient_id column."
        found.append(Finding("patient_in_two_splits", "error", sentence))
    _add_boxes(found, "box_outside", items, [(item, box) for item in items for box in clip_boxes(item)[1]])
    found += box_unit_findings(items)
    found.add("mask", find_masks(items), total=f"; {len(items)} images in all")
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
    found.add("not_annotated", bare)
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
    _add_boxes(found, "box_not_in_pixels", items, in_corner)
    _add_boxes(found, "box_below_a_pixel", items, thin, "error" if len(thin) == boxes else None)
    if len(upper_left) == boxes >= _SEVERAL and not in_corner:
        _add_boxes(found, "boxes_upper_left", items, upper_left)
    return found


def _add_boxes(
    found: Findings, kind: str, items: Sequence[DatalistItem], chosen: Sequence[tuple[DatalistItem, list[float]]],
    severity: str | None = None,
) -> None:  # fmt: skip
    named = [
        f"{item['name']} has [{', '.join(f'{edge:g}' for edge in box)}] on {item['size'][0]} x {item['size'][1]} "
        "pixels (height x width)"
        for item, box in chosen
    ]
    total = f"; {sum(len(item['boxes'] or []) for item in items)} boxes in all"
    found.add(kind, named, [item["name"] for item, _ in chosen], total, severity)


def _grouped(listed: Listed, key: Callable[[DatalistItem], object]) -> list[Listed]:
    groups: dict[object, Listed] = defaultdict(list)
    for split, item in listed:
        groups[key(item)].append((split, item))
    return list(groups.values())


def _find_in_two_sources(listed: Listed, found: Findings) -> None:
    """Images whose file two sources have, byte for byte; files of a size that no other source has are not read."""

    def of_two_sources(groups: list[Listed], key: Callable[[str], object]) -> list[Listed]:
        parts = [part for own in groups for part in _grouped(own, lambda item: key(item["image"]))]
        return [part for part in parts if len({item.get("source") for _, item in part}) > 1]

    readable = [(split, item) for split, item in listed if item["size"] is not None]
    groups = of_two_sources(of_two_sources([readable], bool), lambda path: Path(path).stat().st_size)
    groups = of_two_sources(groups, content_sha256)
    for severity, also in (("error", " and two splits"), ("warning", "")):
        chosen = [group for group in groups if (len({split for split, _ in group}) > 1) is bool(also)]
        named = [" and ".join(f"{item['name']} of {item.get('source')}" for _, item in group) for group in chosen]
        images = [item["name"] for group in chosen for _, item in group]
        found.add("image_in_two_sources", named, images, severity=severity, also=also)
