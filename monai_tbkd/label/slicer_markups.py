"""Boxes as regions of interest of 3D Slicer's markups, and back."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monai_tbkd.data.number_range import is_number
from monai_tbkd.label.film_geometry import FilmGeometry
from monai_tbkd.label.film_result import LABEL
from monai_tbkd.label.film_words import film_word
from monai_tbkd.transforms import NOTICE

_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_THINNEST = 1.0  # mm; Slicer does not show a box without thickness


def boxes_to_markups(boxes: Sequence[Sequence[float]], geometry: FilmGeometry) -> dict[str, Any]:
    """A markups document with an editable box for each box.

    Args:
        boxes: ``[xmin, ymin, xmax, ymax]`` each in film pixels, and the score where there is one.
        geometry: of the film.

    Returns:
        JSON-able; centers and sizes in mm, LPS, with a slab of at least 1 mm.
    """
    orientation = [float(v) for v in geometry.directions.flatten()]
    markups = []
    for number, (xmin, ymin, xmax, ymax, *rest) in enumerate(boxes, start=1):
        center = [float(v) for v in geometry.points_to_lps([[(xmin + xmax) / 2, (ymin + ymax) / 2]])[0]]
        column, row, normal = geometry.spacing
        size = [float((xmax - xmin) * column), float((ymax - ymin) * row), float(max(normal, _THINNEST))]
        said = f"{LABEL} {rest[0]:.2f}" if rest else LABEL
        point = {
            "id": "1", "label": said, "description": NOTICE, "associatedNodeID": "", "position": center,
            "orientation": orientation, "selected": True, "locked": False, "visibility": True,
            "positionStatus": "defined",
        }  # fmt: skip
        markups.append(
            {
                "type": "ROI", "coordinateSystem": "LPS", "coordinateUnits": "mm", "locked": False,
                "labelFormat": "%N-%d", "roiType": "Box", "name": f"{said} ({number})", "center": center,
                "orientation": orientation, "size": size, "insideOut": False, "controlPoints": [point],
            }
        )  # fmt: skip
    return {"@schema": _SCHEMA, "markups": markups}


def markups_to_boxes(document: Mapping[str, Any], geometry: FilmGeometry) -> tuple[list[list[float]], str | None]:
    """The boxes of a markups document, and what it calls the film.

    3D Slicer has no other place to say what a film without TB is: a box whose name, or whose point's, is ``non_tb``,
    ``health`` or ``sick`` is no box and says so.

    Args:
        document: as Slicer saves it.
        geometry: of the film that the boxes were drawn on.

    Returns:
        ``[xmin, ymin, xmax, ymax]`` each in film pixels, not yet cut at the film's edges. A box that was turned gets
        the box around it. The word, or None.

    Raises:
        ValueError: a markup that is not a box, numbers that cannot be, or two words for the film.
    """
    boxes, words = [], set()
    for number, markup in enumerate(document["markups"], start=1):
        kind = markup.get("type") if isinstance(markup, Mapping) else None
        if kind != "ROI":
            raise ValueError(f"Markup {number} is of the type {kind!r}; expected ROI, a box.")
        if markup.get("insideOut") or _units(markup) - {"mm"}:
            raise ValueError(f"Markup {number} is inside out, or not in mm; expected a box in mm.")
        if word := _film_word(markup):
            words.add(word)
            continue
        sign = np.array(_to_lps(markup.get("coordinateSystem", "LPS")))
        center = _numbers(markup, "center", 3) * sign
        size = _numbers(markup, "size", 3)
        if (size[:2] <= 0).any() or (size < 0).any():
            raise ValueError(f"Markup {number} has the size {size.tolist()}; expected lengths above 0.")
        axes = np.eye(3)
        if "orientation" in markup:
            axes = _numbers(markup, "orientation", 9).reshape(3, 3) * sign[:, None]
        corners = np.array(
            [center + axes @ (np.array(half) * size / 2) for half in itertools.product((-1, 1), repeat=3)]
        )
        at = geometry.points_to_film(corners)
        boxes.append([*at.min(axis=0).tolist(), *at.max(axis=0).tolist()])
    if len(words) > 1:
        raise ValueError(f"The markups call the film {' and '.join(sorted(words))}; expected one of them.")
    return boxes, words.pop() if words else None


def _units(markup: Mapping[str, Any]) -> set[str]:
    units = markup.get("coordinateUnits", "mm")
    return set(map(str, units)) if isinstance(units, list) else {str(units)}


def _film_word(markup: Mapping[str, Any]) -> str | None:
    """The word for the film that a markup is renamed to; Slicer adds a number to the names of points."""
    points = markup.get("controlPoints")
    first = points[0] if isinstance(points, list) and points else {}
    for name in (markup.get("name"), first.get("label") if isinstance(first, Mapping) else None):
        word = film_word(re.sub(r"-[0-9]+$", "", name)) if isinstance(name, str) else None
        if word not in (None, "tb"):
            return word
    return None


def _to_lps(system: Any) -> tuple[float, float, float]:
    if system in ("LPS", 1, "1"):
        return 1.0, 1.0, 1.0
    if system in ("RAS", 0, "0"):
        return -1.0, -1.0, 1.0
    raise ValueError(f"The markups are in the coordinate system {system!r}; expected LPS or RAS.")


def _numbers(markup: Mapping[str, Any], key: str, count: int) -> np.ndarray:
    value = markup.get(key)
    if (
        not isinstance(value, Sequence)
        or isinstance(value, str)
        or len(value) != count
        or not all(is_number(v) for v in value)
    ):
        raise ValueError(f"A markup has the {key} {str(value)[:80]}; expected {count} finite numbers.")
    return np.array(value, dtype=float)
