"""Limits, numbers and words that all forms of label share; limits are checked before any work is done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from monai_tbkd.data.files.number_range import is_number
from monai_tbkd.data.lists.image_classes import class_of, plain_word

LARGEST_TEXT = 4 * 2**20
"""Bytes of JSON or XML."""
MOST_BOXES = 1000
"""Boxes, shapes or parts of a mask."""
MOST_POINTS = 100_000
"""Points of a shape."""
IMAGE_LABEL = "image_label"
"""Key of an image-level label in our JSON and in the ``params`` that a label is saved with."""
NOT_TB = "non_tb"
Shape = tuple[str, list[float]]
"""A label's word and the box around its shape: ``[xmin, ymin, xmax, ymax]`` in pixels."""


class Drawn(NamedTuple):
    """What a label's file says of one image, whatever its form.

    Attributes:
        shapes: boxes with their words.
        said: what it calls the image; None where it does not say.
        size: (height, width) of the image as it was shown; None where it does not say.
        left_out: what a report holds beside its boxes, such as ``Length``.
    """

    shapes: list[Shape]
    said: Any = None
    size: tuple[int, int] | None = None
    left_out: tuple[str, ...] = ()


def read_text_label(path: Path) -> bytes:
    """The content of a label that is text, which must not be larger than `LARGEST_TEXT`."""
    with path.open("rb") as file:
        content = file.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise ValueError(f"The label has more than {LARGEST_TEXT} bytes; expected boxes of one image.")
    return content


def few(items: Any, what: str = "boxes", most: int = MOST_BOXES) -> Any:
    """Check that a value is a list not longer than `most`, and return it."""
    if isinstance(items, str) or not hasattr(items, "__len__"):
        raise ValueError(f"The {what} are {str(items)[:40]!r}; expected a list.")
    if len(items) > most:
        raise ValueError(f"The label has {len(items)} {what}; expected at most {most}.")
    return items


def are_numbers(value: Any, fewest: int) -> bool:
    """Whether a value of JSON is a list of finite numbers, so many at least."""
    listed = isinstance(value, Sequence) and not isinstance(value, str) and len(value) >= fewest
    return listed and all(map(is_number, value))


def finite(value: Any) -> float:
    """Read a finite number, or the text of one."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{str(value)[:40]!r} is not a finite number")
    return number


def image_word(word: str) -> str | None:
    """The class that a word stands for: ``tb``, ``health``, ``sick``, ``non_tb``, or None for another word.

    Example:
        >>> image_word("Normal"), image_word("not TB"), image_word("nodule")
        ('health', 'non_tb', None)
    """
    return NOT_TB if plain_word(word) in (NOT_TB, "not_tb", "no_tb") else class_of(word)


def one_word(words: set[str], what: str) -> str | None:
    """The only word for an image, or None; several are refused."""
    if len(words) > 1:
        raise ValueError(f"The {what} call the image {' and '.join(sorted(words))}; expected one of them.")
    return next(iter(words), None)


def image_class(said: Any, boxes: int) -> str:
    """Return the class of an image by what was said of it, if anything, and how many boxes were drawn.

    Raises:
        ValueError: a word that is not known, one that the boxes contradict, or neither word nor box.
    """
    if said is None or said == "":
        if boxes:
            return "tb"
        raise ValueError(
            f"The label has no box and does not say what the image is; draw a box, or add {IMAGE_LABEL}: non_tb, "
            "health, sick or tb."
        )
    word = ("tb" if said else NOT_TB) if isinstance(said, bool) else image_word(str(said))
    if word is None:
        raise ValueError(f"{IMAGE_LABEL} is {str(said)[:80]!r}; expected tb, non_tb, health or sick.")
    if boxes and word != "tb":
        raise ValueError(
            f"The label has {boxes} boxes of tuberculosis and calls the image {word}; remove one of the two."
        )
    return word
