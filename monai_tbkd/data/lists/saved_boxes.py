"""Boxes that a detector has saved, in COCO's format of results."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from monai_tbkd.data.files.csv_cells import written_cell
from monai_tbkd.data.files.paths import absolute_path, content_sha256
from monai_tbkd.data.lists.datalist_error import name_first, refused_unless_read

_MANY = 10  # boxes of which it is no chance that all are alike
_FAR = 0.1  # of a side; right boxes do not reach so far beyond an image, but for a few

Sizes = Mapping[str, Sequence[int]]


class SavedBoxes(NamedTuple):
    """Boxes of images in pixels and what is to be known of them."""

    boxes: dict[str, np.ndarray]  # by image (n, 4): xmin, ymin, xmax, ymax; the highest score first
    scores: dict[str, np.ndarray]  # by image (n,) of 0-1
    unknown: list[str]  # images in the file that are not in the data set
    counts: dict[str, int]  # boxes of the file, and how many of them were left out or clipped
    warnings: list[str]  # what was left out, clipped, or is doubtful, in sentences
    sha256: str  # of the file


class SavedBox(NamedTuple):
    """A box as it stands in a file."""

    where: str  # file and entry in it
    name: str  # of the image
    box: list[float]  # x, y, width, height
    score: float


def read_saved_boxes(
    path: str | Path, sizes: Sizes, coco: str | Path | None = None, category_ids: Collection[int] | None = None
) -> SavedBoxes:
    """Read a list of ``{"image_id" or "file_name", "bbox": [x, y, width, height], "score", "category_id"}``.

    Args:
        path: JSON.
        sizes: of the data set's images by name, [height, width] in pixels, which boxes refer to.
        coco: the data set's annotations in COCO's format, whose ``images`` say which image an ``image_id`` is.
        category_ids: categories that are TB; None: all.

    Returns:
        Boxes of the data set's images, clipped at their edges. Images without a box are not in it.

    Raises:
        ValueError: the file is of another form, a box cannot be, the boxes as a whole cannot be in pixels, or none of
            them is left; the message names the file, and the entry if it is one.
    """
    file = absolute_path(path)
    content = _json(file)
    if not isinstance(content, list):
        raise ValueError(f"{file}: holds a {type(content).__name__}; expected a list of results, as COCO's.")
    by_name = _names(sizes)
    ids = _names_by_id(absolute_path(coco), sizes, by_name) if coco is not None else None
    entries: list[SavedBox] = []
    others: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for i, entry in enumerate(content):
        where = f"{file}, entry {i} (from 0)"
        if not isinstance(entry, Mapping):
            raise ValueError(f"{where}: a {type(entry).__name__}; expected an object with bbox and score.")
        if category_ids is not None:
            category = _value(entry, "category_id", where, "expected one, as categories were asked for")
            if category not in category_ids:
                others[repr(category)] += 1
                continue
        written = _written_name(entry, ids, where)
        if written in by_name:
            entries.append(SavedBox(where, by_name[written], *_box(entry, where)))
        else:
            unknown[written] += 1
    warnings = _left_out(file, category_ids or (), others, unknown, len(content), next(iter(sizes), "tb/a.png"))
    if ids and (again := len(ids) - len(set(ids.values()))):
        warnings.append(
            f"{again} images stand in {coco} more than once; the boxes of all their ids are taken together."
        )
    cut, doubts = check_boxes(entries, sizes)
    by_image: dict[str, list[SavedBox]] = defaultdict(list)
    for each in sorted(entries, key=lambda entry: -entry.score):
        by_image[each.name].append(each)
    return SavedBoxes(
        {name: np.array([_cut(each, sizes[name]) for each in own]) for name, own in by_image.items()},
        {name: np.array([each.score for each in own]) for name, own in by_image.items()},
        list(unknown),
        {
            "boxes_in_file": len(content),
            "boxes_of_other_categories": others.total(),
            "boxes_of_other_images": unknown.total(),
            "boxes_clipped_by_over_a_pixel": cut,
        },
        [*warnings, *doubts],
        content_sha256(file),
    )


def check_boxes(entries: Sequence[SavedBox], sizes: Sizes) -> tuple[int, list[str]]:
    """Look at all boxes of a file together, since one alone does not tell fractions or corners from pixels.

    Returns:
        How many boxes reach more than a pixel beyond their image, and what is doubtful, in sentences.

    Raises:
        ValueError: they cannot be [x, y, width, height] in pixels; the message names the first that cannot.
    """
    if not entries:
        return 0, []
    number = len(entries)
    box = np.array([each.box for each in entries])
    sides = np.array([sizes[each.name][::-1] for each in entries], dtype=float)
    start, size, end = box[:, :2], box[:, 2:], box[:, :2] + box[:, 2:]
    # whether all could be [xmin, ymin, xmax, ymax], which few boxes of x, y, width, height could, but whole images
    are_corners = bool(((size > start) & (size <= (1 + _FAR) * sides)).all()) and not bool((start <= 1).all())
    beyond = np.hstack([-start, end - sides]).max(axis=1)  # in pixels
    far = np.hstack([-start / sides, end / sides - 1]).max(axis=1) > _FAR
    fractions = (np.abs(box) <= 1).all(axis=1)
    wrong = None
    if 2 * fractions.sum() > number:
        wrong, what = fractions, "are smaller than a pixel, as fractions of the image are"
        fix = "Multiply x and width by the image's width, y and height by its height."
    elif far.sum() > 2 and are_corners and far.sum() >= _FAR * number:
        wrong, what = far, "reach far beyond their image and all are right as corners [xmin, ymin, xmax, ymax]"
        fix = "Write xmax - xmin and ymax - ymin in place of xmax and ymax."
    elif far.sum() > 2 and 2 * far.sum() > number:
        wrong, what = far, "reach far beyond their image"
        fix = "x and y are of the upper left corner, not of the center."
    if wrong is not None:
        first = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{entries[first].where}: bbox {entries[first].box} on {sides[first][1]:g} x {sides[first][0]:g} pixels; "
            f"{int(wrong.sum())} of {number} boxes {what}; expected [x, y, width, height] in the image's own pixels. "
            f"{fix}"
        )
    clipped = int((beyond > 1).sum())
    thin = int((size.min(axis=1) < 1).sum())
    twice = number - len({(each.name, *each.box, each.score) for each in entries})
    corner_like = are_corners and number > 1 and not clipped
    in_quarter = number >= _MANY and bool((end < sides / 2).all())
    one_score = number >= _MANY and len({each.score for each in entries}) == 1
    form, of, every = "[x, y, width, height]", f"of {number} boxes", f"all {number} boxes"
    cut = f"cut at its edge; if most do, they may be corners or centers in place of {form}."
    doubts = [
        (clipped, f"{clipped} {of} reach more than a pixel beyond their image and are {cut}"),
        (thin, f"{thin} {of} are narrower or lower than a pixel; boxes are in pixels, not fractions."),
        (twice, f"{twice} {of} repeat another one, score included, and count as false boxes."),
        (corner_like, f"{every} can be corners [xmin, ymin, xmax, ymax] as well; expected {form}."),
        (in_quarter, f"{every} lie in the upper left quarter of their image; they may be in pixels of a smaller copy."),
        (one_score, f"{every} have the score {entries[0].score:g}, so that nothing ranks them."),
    ]
    return clipped, [sentence for found, sentence in doubts if found]


def _cut(entry: SavedBox, size: Sequence[int]) -> list[float]:
    """The box as xmin, ymin, xmax, ymax, clipped at the edges of its image of (height, width)."""
    x, y, box_width, box_height = entry.box
    height, width = size
    x0, y0, x1, y1 = max(x, 0.0), max(y, 0.0), min(x + box_width, float(width)), min(y + box_height, float(height))
    if x1 <= x0 or y1 <= y0:
        raise ValueError(
            f"{entry.where}: bbox {entry.box} lies outside {entry.name} ({height} x {width} pixels); expected [x, y, "
            "width, height] in that image's own pixels, not in those of a copy of another size."
        )
    return [x0, y0, x1, y1]


def _left_out(
    file: Path, asked: Collection[int], others: Counter[str], unknown: Counter[str], number: int, example: str
) -> list[str]:
    """What of a file was not read, in sentences; an error if that is all of it."""
    found = ", ".join(f"{category} ({n} boxes)" for category, n in others.most_common(5))
    if others.total() == number > 0 or any(repr(str(category)) in others for category in asked):
        few = "no box has" if others.total() == number else "not all boxes have"
        raise ValueError(
            f"{file}: {few} category {' or '.join(map(str, asked))}; found {found}. Give ids that are in the file "
            "(--category_ids), and write ids that are text there as numbers."
        )
    if unknown and others.total() + unknown.total() == number:
        raise ValueError(
            f"{file}: no box is of an image of the data set; found {name_first(unknown)}; expected names such as "
            f"{example}."
        )
    out = f"of {number} boxes are of"
    said = [
        (not number, "it holds no box, so that nothing is found on any image."),
        (others, f"{others.total()} {out} other categories and are left out: {found}."),
        (unknown, f"{unknown.total()} {out} images that are not in the data set and are left out."),
    ]
    return [sentence for holds, sentence in said if holds]


def _json(file: Path) -> Any:
    with refused_unless_read(file, "cannot be read as JSON", "expected a file in COCO's format"):
        return json.loads(file.read_bytes())


def _value(entry: Mapping[str, Any], key: str, where: str, expected: str) -> Any:
    if key not in entry:
        raise ValueError(f"{where}: no {key}; {expected}.")
    if key.endswith("id") and isinstance(entry[key], (list, dict)):
        raise ValueError(f"{where}: the id {str(entry[key])[:40]}; expected a number or a word.")
    return entry[key]


def _names(sizes: Sizes) -> dict[str, str]:
    """Images by their names, also as tables have them, and by the last part of a name where it is the only such."""
    last = {name: PurePosixPath(name).name for name in sizes}
    counts = Counter(last.values())
    short = {word: name for name, word in last.items() if counts[word] == 1}
    return {**short, **{written_cell(name): name for name in sizes}, **{name: name for name in sizes}}


def _names_by_id(file: Path, sizes: Sizes, by_name: Mapping[str, str]) -> dict[Any, str]:
    content = _json(file)
    images = content.get("images") if isinstance(content, Mapping) else None
    if not isinstance(images, list) or not images:
        raise ValueError(f"{file}: has no images; expected COCO's annotations of the data set.")
    found: dict[Any, str] = {}
    for image in images:
        if not isinstance(image, Mapping) or "file_name" not in image:
            raise ValueError(f"{file}: an image without file_name: {str(image)[:80]}.")
        written = str(image["file_name"])
        number = _value(image, "id", f"{file}, {written[:80]}", "expected one of each image")
        name = by_name.get(written)
        own = (image.get("height"), image.get("width"))
        if name is not None and None not in own and list(own) != list(sizes[name]):
            raise ValueError(
                f"{file}: {written} has {own[0]} x {own[1]} pixels there and {sizes[name][0]} x {sizes[name][1]} in "
                "the data set; boxes have to be in the data set's pixels."
            )
        if number in found:
            raise ValueError(f"{file}: two images have the id {number!r}.")
        found[number] = written if name is None else name
    return found


def _written_name(entry: Mapping[str, Any], ids: Mapping[Any, str] | None, where: str) -> str:
    """What an entry calls its image."""
    if "file_name" in entry:
        return str(entry["file_name"])
    number = _value(entry, "image_id", where, "expected image_id or file_name, to know the image")
    if ids is None:
        raise ValueError(
            f"{where}: an image_id and no file_name; give the data set's COCO annotations (--coco), which say which "
            "image it is."
        )
    if number not in ids:
        raise ValueError(f"{where}: image_id {number!r} is not among the images of the COCO annotations.")
    return ids[number]


def _box(entry: Mapping[str, Any], where: str) -> tuple[list[float], float]:
    box, score = (
        _value(entry, key, where, "expected bbox [x, y, width, height] and score") for key in ("bbox", "score")
    )
    try:
        x, y, width, height = (float(v) for v in box)
        score = float(score)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where}: bbox {box}, score {score!r}; expected four numbers and one.") from error
    if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
        raise ValueError(f"{where}: bbox {box}; expected [x, y, width, height], finite, width and height above 0.")
    if not 0 <= score <= 1:
        percent = " Divide percent by 100." if 1 < score <= 100 else ""
        raise ValueError(f"{where}: score {score:g}; expected 0 to 1.{percent}")
    return [x, y, width, height], score
