"""Shapes as CVAT and its functions write them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from monai_tbkd.data.outside_text import read_xml

Shape = tuple[str, list[float]]
"""A label's word and the box around its shape: ``[xmin, ymin, xmax, ymax]`` in film pixels."""


def is_cvat(content: Any) -> bool:
    """Whether JSON is a list of CVAT's shapes, or what its MONAI Label function answers."""
    if isinstance(content, list):
        return all(isinstance(each, Mapping) and "points" in each for each in content)
    return isinstance(content, Mapping) and isinstance(content.get("annotations"), list)


def cvat_elements(content: Any) -> list[Shape]:
    """The shapes of JSON; ``is_cvat`` has to hold.

    Raises:
        ValueError: a shape that cannot be understood.
    """
    if isinstance(content, list):
        return [(str(each.get("label", "")), around(_pairs(each["points"]))) for each in content]
    found: list[Shape] = []
    try:
        for each in content["annotations"]:
            for element in each["annotation"]["elements"]:
                found += [(str(element["label"]), around(contour)) for contour in element["contours"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"CVAT's annotations lack {error}; expected elements with label and contours.") from error
    return found


def read_cvat_xml(path: Path, film_name: str) -> list[Shape]:
    """The shapes of one film in a file of "CVAT for images 1.1".

    Args:
        path: XML.
        film_name: of the film; where the file holds one film alone, that is taken whatever it is called.

    Raises:
        ValueError: not such a file, the film is not in it, or a shape that is neither polygon nor box.
    """
    try:
        images = read_xml(path).findall("image")
    except ValueError as error:
        raise ValueError(f"{path.name}: not XML ({error}).") from error
    named = [each for each in images if PurePosixPath(each.get("name", "")).name == film_name]
    chosen = named if len(named) == 1 else images
    if len(chosen) != 1:
        raise ValueError(f"{path.name}: {len(images)} images, none of them {film_name}; export that film alone.")
    found: list[Shape] = []
    for shape in chosen[0]:
        if shape.tag == "polygon":
            found.append((shape.get("label", ""), around(_xml_points(shape.get("points", "")))))
        elif shape.tag == "box":
            corners = [(shape.get("xtl"), shape.get("ytl")), (shape.get("xbr"), shape.get("ybr"))]
            found.append((shape.get("label", ""), around(corners)))
        elif shape.tag != "tag":
            raise ValueError(f"{path.name}: a shape of the type {shape.tag}; expected polygon or box.")
    return found


def around(points: Any) -> list[float]:
    """The box around points.

    Args:
        points: ``[[x, y], ...]``.

    Raises:
        ValueError: fewer than two, or not numbers.
    """
    try:
        pairs = [(_number(x), _number(y)) for x, y in points]
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"The points of a shape are {str(points)[:80]}; expected [[x, y], ...].") from error
    if len(pairs) < 2:
        raise ValueError(f"A shape has {len(pairs)} points; expected two or more.")
    xs, ys = zip(*pairs, strict=True)
    return [min(xs), min(ys), max(xs), max(ys)]


def _pairs(flat: Any) -> Any:
    """``[x, y, x, y]`` as pairs; pairs as they are."""
    if isinstance(flat, Sequence) and flat and not isinstance(flat[0], Sequence):
        return list(zip(flat[::2], flat[1::2], strict=False)) if len(flat) % 2 == 0 else flat
    return flat


def _xml_points(text: str) -> list[list[str]]:
    return [pair.split(",") for pair in text.split(";") if pair]


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not finite")
    return number
