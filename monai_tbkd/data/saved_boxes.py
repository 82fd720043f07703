"""Boxes that a detector has saved, in COCO's format of results."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from monai_tbkd.data.csv_cells import written_cell
from monai_tbkd.data.datalist_error import name_first
from monai_tbkd.data.paths import absolute_path
from monai_tbkd.data.saved_box_checks import SavedBox, check_boxes, cut_box


class SavedBoxes(NamedTuple):
    """Boxes of films in film pixels and what is to be known of them."""

    boxes: dict[str, np.ndarray]
    """By film ``(n, 4)``: xmin, ymin, xmax, ymax; the highest score first."""
    scores: dict[str, np.ndarray]
    """By film ``(n,)`` of 0-1."""
    strangers: list[str]
    """Films in the file that are not in the data set."""
    counts: dict[str, int]
    """Boxes of the file, and how many of them were left out or cut."""
    warnings: list[str]
    """What was left out, cut, or is doubtful, in sentences."""
    sha256: str
    """Of the file."""


def read_saved_boxes(
    path: str | Path,
    sizes: Mapping[str, Sequence[int]],
    coco: str | Path | None = None,
    category_ids: Collection[int] | None = None,
) -> SavedBoxes:
    """Read a list of ``{"image_id" or "file_name", "bbox": [x, y, width, height], "score", "category_id"}``.

    Args:
        path: JSON.
        sizes: of the data set's films by name, [height, width] in pixels, which boxes refer to.
        coco: the data set's annotations in COCO's format, whose ``images`` say which film an ``image_id`` is.
        category_ids: categories that are TB; None: all.

    Returns:
        Boxes of the data set's films, cut at their edges. Films without a box are not in it.

    Raises:
        ValueError: the file is of another form, a box cannot be, the boxes as a whole cannot be in pixels, or none of
            them is left; the message names the file, and the entry if it is one.
    """
    file = absolute_path(path)
    content, raw = _json(file)
    if not isinstance(content, list):
        raise ValueError(f"{file}: holds a {type(content).__name__}; expected a list of results, as COCO's.")
    films = _films_by_id(absolute_path(coco), sizes) if coco is not None else {}
    by_name = _names(sizes)
    entries: list[SavedBox] = []
    others: Counter[str] = Counter()
    strangers: Counter[str] = Counter()
    for i, entry in enumerate(content):
        where = f"{file}, entry {i} (from 0)"
        if not isinstance(entry, Mapping):
            raise ValueError(f"{where}: a {type(entry).__name__}; expected an object with bbox and score.")
        if category_ids is not None:
            if "category_id" not in entry:
                raise ValueError(f"{where}: no category_id; expected one, as categories were asked for.")
            if _key(entry["category_id"], where) not in category_ids:
                others[repr(entry["category_id"])] += 1
                continue
        name, said = _film_of(entry, films, by_name, where, coco is not None)
        if name is None:
            strangers[said] += 1
        else:
            entries.append(SavedBox(where, name, *_box(entry, where)))
    warnings = _left_out(file, category_ids or (), others, strangers, len(content), next(iter(sizes), "tb/a.png"))
    again = len(films) - len(set(films.values()))
    if again:
        warnings.append(
            f"{again} images stand in {coco} more than once; the boxes of all their ids are taken together."
        )
    cut, doubts = check_boxes(entries, sizes)
    boxes: dict[str, list[list[float]]] = defaultdict(list)
    scores: dict[str, list[float]] = defaultdict(list)
    for each in entries:
        boxes[each.name].append(cut_box(each, sizes[each.name]))
        scores[each.name].append(each.score)
    order = {name: np.argsort(-np.array(each), kind="stable") for name, each in scores.items()}
    return SavedBoxes(
        {name: np.array(each, dtype=float)[order[name]] for name, each in boxes.items()},
        {name: np.array(each, dtype=float)[order[name]] for name, each in scores.items()},
        list(strangers),
        {
            "boxes_in_file": len(content),
            "boxes_of_other_categories": others.total(),
            "boxes_of_other_images": strangers.total(),
            "boxes_cut_by_over_a_pixel": cut,
        },
        [*warnings, *doubts],
        hashlib.sha256(raw).hexdigest(),
    )


def _left_out(
    file: Path, asked: Collection[int], others: Counter[str], strangers: Counter[str], number: int, example: str
) -> list[str]:
    """What of a file was not read, in sentences; an error if that is all of it."""
    wanted = " or ".join(map(str, asked))
    found = ", ".join(f"{category} ({n} boxes)" for category, n in others.most_common(5))
    if others.total() == number > 0 or any(repr(str(category)) in others for category in asked):
        few = "no box has" if others.total() == number else "not all boxes have"
        raise ValueError(
            f"{file}: {few} category {wanted}; found {found}. Give ids that are in the file "
            "(--category_ids), and write ids that are text there as numbers."
        )
    if strangers and others.total() + strangers.total() == number:
        raise ValueError(
            f"{file}: no box is of an image of the data set; found {name_first(strangers)}; expected names such as "
            f"{example}."
        )
    said = [] if number else ["it holds no box, so that nothing is found on any image."]
    if others:
        said.append(f"{others.total()} of {number} boxes are of other categories and are left out: {found}.")
    if strangers:
        said.append(
            f"{strangers.total()} of {number} boxes are of images that are not in the data set and are left out."
        )
    return said


def _json(file: Path) -> tuple[Any, bytes]:
    try:
        raw = file.read_bytes()
        return json.loads(raw), raw
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file}: cannot be read as JSON ({error}); expected a file in COCO's format.") from error


def _key(value: Any, where: str) -> Any:
    if isinstance(value, (list, dict)):
        raise ValueError(f"{where}: the id {str(value)[:40]}; expected a number or a word.")
    return value


def _names(sizes: Mapping[str, Any]) -> dict[str, str]:
    """Films by their names, also as tables have them, and by the last part of their names where it is the only such."""
    last = Counter(PurePosixPath(name).name for name in sizes)
    short = {PurePosixPath(name).name: name for name in sizes if last[PurePosixPath(name).name] == 1}
    return {**short, **{written_cell(name): name for name in sizes}, **{name: name for name in sizes}}


def _films_by_id(file: Path, sizes: Mapping[str, Sequence[int]]) -> dict[Any, str]:
    content, _ = _json(file)
    images = content.get("images") if isinstance(content, Mapping) else None
    if not isinstance(images, list) or not images:
        raise ValueError(f"{file}: has no images; expected COCO's annotations of the data set.")
    by_name, found = _names(sizes), {}
    for image in images:
        if not isinstance(image, Mapping) or "id" not in image or "file_name" not in image:
            raise ValueError(f"{file}: an image without id or file_name: {str(image)[:80]}.")
        name = by_name.get(str(image["file_name"]))
        own = (image.get("height"), image.get("width"))
        if name is not None and None not in own and list(own) != list(sizes[name]):
            raise ValueError(
                f"{file}: {image['file_name']} has {own[0]} x {own[1]} pixels there and {sizes[name][0]} x "
                f"{sizes[name][1]} in the data set; boxes have to be in the data set's pixels."
            )
        if _key(image["id"], str(file)) in found:
            raise ValueError(f"{file}: two images have the id {image['id']!r}.")
        found[image["id"]] = str(image["file_name"]) if name is None else name
    return found


def _film_of(
    entry: Mapping[str, Any], films: Mapping[Any, str], by_name: Mapping[str, str], where: str, has_ids: bool
) -> tuple[str | None, str]:
    """The film of an entry, None if it is not in the data set, and what the entry calls it."""
    if "file_name" in entry:
        said = str(entry["file_name"])
        return by_name.get(said), said
    if "image_id" not in entry:
        raise ValueError(f"{where}: neither image_id nor file_name; expected one, to know the film.")
    if not has_ids:
        raise ValueError(
            f"{where}: an image_id and no file_name; give the data set's COCO annotations (--coco), which say which "
            "film it is."
        )
    if _key(entry["image_id"], where) not in films:
        raise ValueError(f"{where}: image_id {entry['image_id']!r} is not among the images of the COCO annotations.")
    said = films[entry["image_id"]]
    return by_name.get(said), said


def _box(entry: Mapping[str, Any], where: str) -> tuple[list[float], float]:
    for key in ("bbox", "score"):
        if key not in entry:
            raise ValueError(f"{where}: no {key}; expected bbox [x, y, width, height] and score.")
    try:
        x, y, width, height = (float(v) for v in entry["bbox"])
        score = float(entry["score"])
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{where}: bbox {entry['bbox']}, score {entry['score']!r}; expected four numbers and one."
        ) from error
    if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
        raise ValueError(
            f"{where}: bbox {entry['bbox']}; expected [x, y, width, height], finite, width and height above 0."
        )
    if not 0 <= score <= 1:
        percent = " Divide percent by 100." if 1 < score <= 100 else ""
        raise ValueError(f"{where}: score {score:g}; expected 0 to 1.{percent}")
    return [x, y, width, height], score


def describe_strangers(path: str | Path, strangers: Sequence[str]) -> str:
    """The error for films that are in a file and not in the data set."""
    return (
        f"{path}: films that are not in the data set, {name_first(strangers)}. Take them away, or allow them "
        "(--extra ignore)."
    )
