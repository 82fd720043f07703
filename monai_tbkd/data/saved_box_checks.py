"""Whether boxes that another program has saved can be in pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

_MANY = 10
"""Boxes of which it is no chance that all are alike."""
_FAR = 0.1
"""Of a side; right boxes do not reach so far beyond an image, but for a few."""


class SavedBox(NamedTuple):
    """A box as it stands in a file."""

    where: str
    """File and place in it."""
    name: str
    """Of the image."""
    box: list[float]
    """x, y, width, height."""
    score: float


def check_boxes(entries: Sequence[SavedBox], sizes: Mapping[str, Sequence[int]]) -> tuple[int, list[str]]:
    """Look at all boxes of a file together, since one alone does not tell fractions or corners from pixels.

    Args:
        entries: the boxes.
        sizes: [height, width] of their images by name.

    Returns:
        How many boxes reach more than a pixel beyond their image, and what is doubtful, in sentences.

    Raises:
        ValueError: they cannot be [x, y, width, height] in pixels; the message names the first that cannot.
    """
    if not entries:
        return 0, []
    box = np.array([each.box for each in entries])
    sides = np.array([sizes[each.name][::-1] for each in entries], dtype=float)
    _refuse_other_units(entries, box, sides)
    beyond = int((_beyond(box, sides) > 1).sum())
    return beyond, _doubts(entries, box, sides, beyond)


def _beyond(box: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """How far each box ``(n, 4)`` of x, y, width, height reaches beyond its image ``(n, 2)`` of width, height."""
    return np.asarray(np.concatenate([-box[:, :2], box[:, :2] + box[:, 2:] - sides], axis=1).max(axis=1))


def _are_corners(box: np.ndarray, sides: np.ndarray) -> bool:
    """Whether all could be [xmin, ymin, xmax, ymax], which few boxes of x, y, width, height could."""
    possible = (box[:, 2:] > box[:, :2]) & (box[:, 2:] <= (1 + _FAR) * sides)
    return bool(possible.all()) and not bool((box[:, :2] <= 1).all())  # nor are those of whole images


def _refuse_other_units(entries: Sequence[SavedBox], box: np.ndarray, sides: np.ndarray) -> None:
    """Refuse boxes that cannot be [x, y, width, height] in pixels.

    Raises:
        ValueError: with the first such box.
    """
    number = len(entries)

    def refuse(which: np.ndarray, what: str, mend: str) -> None:
        first = int(np.flatnonzero(which)[0])
        width, height = sides[first]
        raise ValueError(
            f"{entries[first].where}: bbox {entries[first].box} on {height:g} x {width:g} pixels; {int(which.sum())} "
            f"of {number} boxes {what}; expected [x, y, width, height] in the image's own pixels. {mend}"
        )

    fractions = (np.abs(box) <= 1).all(axis=1)
    if 2 * fractions.sum() > number:
        refuse(
            fractions,
            "are smaller than a pixel, as fractions of the image are",
            "Multiply x and width by the image's width, y and height by its height.",
        )
    far = _beyond(box / np.tile(sides, 2), np.ones_like(sides)) > _FAR
    if far.sum() > 2 and _are_corners(box, sides) and far.sum() >= _FAR * number:
        refuse(
            far,
            "reach far beyond their image and all are right as corners [xmin, ymin, xmax, ymax]",
            "Write xmax - xmin and ymax - ymin in place of xmax and ymax.",
        )
    if far.sum() > 2 and 2 * far.sum() > number:
        refuse(far, "reach far beyond their image", "x and y are of the upper left corner, not of the center.")


def _doubts(entries: Sequence[SavedBox], box: np.ndarray, sides: np.ndarray, beyond: int) -> list[str]:
    """What may be wrong with boxes that could be right, in sentences."""
    number, said = len(entries), []
    thin = int((box[:, 2:].min(axis=1) < 1).sum())
    if beyond:
        said.append(
            f"{beyond} of {number} boxes reach more than a pixel beyond their image and are cut at its edge; if most "
            "do, they may be corners or centers in place of [x, y, width, height]."
        )
    if thin:
        said.append(f"{thin} of {number} boxes are narrower or lower than a pixel; boxes are in pixels, not fractions.")
    twice = number - len({(each.name, *each.box, each.score) for each in entries})
    if twice:
        said.append(f"{twice} of {number} boxes repeat another one, score included, and count as false boxes.")
    if not beyond and number > 1 and _are_corners(box, sides):
        said.append(
            f"all {number} boxes can be corners [xmin, ymin, xmax, ymax] as well; expected [x, y, width, height]."
        )
    if number < _MANY:
        return said
    if ((box[:, :2] + box[:, 2:]) < sides / 2).all():
        said.append(
            f"all {number} boxes lie in the upper left quarter of their image; they may be in pixels of a smaller copy."
        )
    if len({each.score for each in entries}) == 1:
        said.append(f"all {number} boxes have the score {entries[0].score:g}, so that nothing ranks them.")
    return said


def cut_box(entry: SavedBox, size: Sequence[int]) -> list[float]:
    """Cut a box at the edges of its image.

    Args:
        entry: the box.
        size: (height, width) of the image.

    Returns:
        xmin, ymin, xmax, ymax.

    Raises:
        ValueError: nothing of it is on the image.
    """
    x, y, box_width, box_height = entry.box
    height, width = size
    x0, y0, x1, y1 = max(x, 0.0), max(y, 0.0), min(x + box_width, float(width)), min(y + box_height, float(height))
    if x1 <= x0 or y1 <= y0:
        raise ValueError(
            f"{entry.where}: bbox {entry.box} lies outside {entry.name} ({height} x {width} pixels); expected [x, y, "
            "width, height] in that image's own pixels, not in those of a copy of another size."
        )
    return [x0, y0, x1, y1]
