"""Outlines of lesions, from a VGG Image Annotator (VIA) project or export, for scoring."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.data.lists.datalist_error import refused_unless_read
from monai_tbkd.data.lists.datalist_item import DatalistItem

Lesions = list[tuple[str, list[list[float]]]]
"""What each lesion is called, and its outline ``[[x, y], ...]`` in pixels of the image."""

_CORNERS = 32
_CHECKED = {"good", "on", "true", "1", "yes"}  # values of a checkbox, whose key is the finding then


def read_polygons(path: Path) -> dict[str, Lesions]:
    """Read a VIA project, a VIA export, or ``{image: {"regions": [{"label": ..., "points": [[x, y], ...]}]}}``.

    Points and lines of two points have no area and are left out. Rectangles, circles and ellipses become polygons.
    Lesions are listed by the image's file name; an image whose regions have no area has none.
    """
    with refused_unless_read(path, "no outlines of lesions as VIA writes them", "export the annotations as JSON again"):
        content = json.loads(read_text(path))
        found: dict[str, Lesions] = {}
        for key, image in content.get("_via_img_metadata", content).items():
            regions = image["regions"]
            regions = regions.values() if isinstance(regions, Mapping) else regions
            found.setdefault(image.get("filename", key), []).extend(_lesions(regions))
        return found


def add_polygons(item: DatalistItem, lesions: Lesions | None) -> None:
    """Give an image with TB its outlines as ``polygons``, with the boxes around them, in place; other images none."""
    if lesions and item["class_name"] == "tb":
        item["polygons"] = [points for _, points in lesions]
        item["boxes"] = [[*np.min(points, axis=0).tolist(), *np.max(points, axis=0).tolist()] for _, points in lesions]
        item["box_types"] = [label for label, _ in lesions]


def _lesions(regions: Iterable[Mapping[str, Any]]) -> Lesions:
    found = []
    for region in regions:
        outline = region["points"] if "points" in region else _outline(region["shape_attributes"])
        points = [[float(x), float(y)] for x, y in outline]
        if not np.isfinite(points).all():
            raise ValueError("a point that is not finite")
        if len(points) >= 3:
            found.append((_label(region), points))
    return found


def _outline(shape: Mapping[str, Any]) -> Iterable[Iterable[float]]:
    kind = shape["name"]
    if kind in ("polygon", "polyline"):
        return zip(shape["all_points_x"], shape["all_points_y"], strict=True)
    if kind == "rect":
        x, y, right, bottom = shape["x"], shape["y"], shape["x"] + shape["width"], shape["y"] + shape["height"]
        return [[x, y], [right, y], [right, bottom], [x, bottom]]
    if kind in ("circle", "ellipse"):
        radii = (shape["r"], shape["r"]) if kind == "circle" else (shape["rx"], shape["ry"])
        angles, turn = 2 * np.pi * np.arange(_CORNERS) / _CORNERS, float(shape.get("theta", 0.0))
        across, down = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
        x = shape["cx"] + across * np.cos(turn) - down * np.sin(turn)
        y = shape["cy"] + across * np.sin(turn) + down * np.cos(turn)
        return zip(x, y, strict=True)
    if kind == "point":
        return []
    raise ValueError(f"a shape {str(kind)[:40]!r}; expected polygon, polyline, rect, circle, ellipse or point")


def _label(region: Mapping[str, Any]) -> str:
    if "label" in region:
        return str(region["label"])
    for key, value in (region.get("region_attributes") or {}).items():
        if isinstance(value, Mapping):  # a checkbox of several findings
            value = next((name for name, checked in value.items() if checked), "")
        if value:
            return str(key if str(value).lower() in _CHECKED else value)
    return "unspecified"
