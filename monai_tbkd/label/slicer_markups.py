"""Boxes as regions of interest of 3D Slicer's markups, and back."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monai_tbkd.label.image_geometry import ImageGeometry
from monai_tbkd.label.label_content import Drawn, Shape, are_numbers, image_word, one_word
from monai_tbkd.transforms import NOTICE

_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_TO_LPS = {"LPS": 1.0, "1": 1.0, "RAS": -1.0, "0": -1.0}


def boxes_to_markups(boxes: Sequence[Sequence[float]], geometry: ImageGeometry) -> dict[str, Any]:
    """Make a markups document of boxes ``[xmin, ymin, xmax, ymax]`` in pixels, each with a score where there is one.

    Centers and sizes are in mm, LPS. A box is a slab of at least 1 mm: Slicer does not show one without thickness.
    """
    orientation, (column, row, normal) = geometry.directions.flatten().tolist(), geometry.spacing.tolist()
    markups = []
    for number, (xmin, ymin, xmax, ymax, *rest) in enumerate(boxes, start=1):
        center = geometry.points_to_lps([[(xmin + xmax) / 2, (ymin + ymax) / 2]])[0].tolist()
        size = [float((xmax - xmin) * column), float((ymax - ymin) * row), max(normal, 1.0)]
        said = f"tuberculosis {rest[0]:.2f}" if rest else "tuberculosis"
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


def read_markups(document: Mapping[str, Any], geometry: ImageGeometry) -> Drawn:
    """Read the boxes of a markups document, and what it calls the image.

    3D Slicer has no other way to say what an image without TB is: a box whose name, or whose point's, is ``non_tb``,
    ``health`` or ``sick`` is no box and says so.

    Boxes are not yet clipped at the image's edges; a turned box gets the box around it.

    Raises:
        ValueError: a markup that is not a box, impossible numbers, or two words for the image.
    """
    shapes: list[Shape] = []
    words = set()
    for number, markup in enumerate(document["markups"], start=1):
        kind = markup.get("type") if isinstance(markup, Mapping) else None
        if kind != "ROI":
            raise ValueError(f"Markup {number} is of the type {kind!r}; expected ROI, a box.")
        units = markup.get("coordinateUnits", "mm")
        if markup.get("insideOut") or any(unit != "mm" for unit in (units if isinstance(units, list) else [units])):
            raise ValueError(f"Markup {number} is inside out, or not in mm; expected a box in mm.")
        if word := _image_word(markup):
            words.add(word)
            continue
        system = str(markup.get("coordinateSystem", "LPS"))
        if system not in _TO_LPS:
            raise ValueError(f"The markups are in the coordinate system {system[:40]!r}; expected LPS or RAS.")
        sign = np.array([_TO_LPS[system], _TO_LPS[system], 1.0])
        center, size = _numbers(markup, "center", 3) * sign, _numbers(markup, "size", 3)
        if (size[:2] <= 0).any() or (size < 0).any():
            raise ValueError(f"Markup {number} has the size {size.tolist()}; expected lengths above 0.")
        axes = np.eye(3)
        if "orientation" in markup:
            axes = _numbers(markup, "orientation", 9).reshape(3, 3) * sign[:, None]
        corners = np.array(list(itertools.product((-0.5, 0.5), repeat=3))) * size
        at = geometry.points_to_image(center + corners @ axes.T)
        shapes.append(("tuberculosis", [*at.min(axis=0).tolist(), *at.max(axis=0).tolist()]))
    return Drawn(shapes, one_word(words, "markups"))


def _image_word(markup: Mapping[str, Any]) -> str | None:
    """The word for the image that a markup is renamed to; Slicer adds a number to the names of points."""
    points = markup.get("controlPoints")
    first = points[0] if isinstance(points, list) and points else {}
    for name in (markup.get("name"), first.get("label") if isinstance(first, Mapping) else None):
        word = image_word(re.sub(r"-[0-9]+$", "", name)) if isinstance(name, str) else None
        if word not in (None, "tb"):
            return word
    return None


def _numbers(markup: Mapping[str, Any], key: str, count: int) -> np.ndarray:
    value: Any = markup.get(key)
    if not are_numbers(value, count) or len(value) != count:
        raise ValueError(f"A markup has the {key} {str(value)[:80]}; expected {count} finite numbers.")
    return np.array(value, dtype=float)
