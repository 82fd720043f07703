"""Shapes as CVAT and its functions write them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from monai_tbkd.data.files.outside_text import parse_xml
from monai_tbkd.label.label_content import MOST_POINTS, Drawn, Shape, few, finite, image_word, one_word, read_text_label


def is_cvat(content: Any) -> bool:
    """Whether JSON is a list of CVAT's shapes, or the answer of its MONAI Label function."""
    if isinstance(content, list):
        return all(isinstance(each, Mapping) and ("points" in each or each.get("type") == "tag") for each in content)
    return isinstance(content, Mapping) and isinstance(content.get("annotations"), list)


def read_cvat_json(content: Any) -> Drawn:
    """Read shapes from JSON of which `is_cvat` holds; raise ValueError if one cannot be understood."""
    if isinstance(content, list):
        few(content, "shapes")
        tags = [each for each in content if each.get("type") == "tag"]
        shapes = [(str(each.get("label", "")), _json_box(each)) for each in content if each.get("type") != "tag"]
        return Drawn(shapes, _tagged(tags))
    found: list[Shape] = []
    try:
        for each in few(content["annotations"], "annotations"):
            for element in few(each["annotation"]["elements"], "elements"):
                found += [(str(element["label"]), _around(contour)) for contour in few(element["contours"], "contours")]
    except (KeyError, TypeError) as error:
        raise ValueError(f"CVAT's annotations lack {error}; expected elements with label and contours.") from error
    return Drawn(few(found))


def read_cvat_xml(path: Path, names: Sequence[str]) -> Drawn:
    """Read the shapes of one image from a file of "CVAT for images 1.1".

    Args:
        path: XML.
        names: of the image; CVAT may have another suffix, as for a DICOM file that was shown as PNG.

    Raises:
        ValueError: not such a file, the image is not in it, or a shape that cannot be understood.
    """
    content = read_text_label(path)
    if content.count(b"<") > MOST_POINTS:
        raise ValueError(f"The XML has more than {MOST_POINTS} elements; export the image that is labeled.")
    try:
        root = parse_xml(content)
    except ValueError as error:
        raise ValueError(f"The label is not XML ({error}).") from error
    images = root.findall("image")
    if root.find("track") is not None:
        raise ValueError("The XML has tracks of a video; export as CVAT for images 1.1.")
    known = {*names, *map(_without_suffix, names)}
    chosen = [each for each in images if PurePosixPath(each.get("name", "")).name in names]
    chosen = chosen or [each for each in images if _without_suffix(each.get("name", names[0])) in known]
    if len(chosen) != 1:
        said = ", ".join(each.get("name", "") for each in images[:3])
        raise ValueError(
            f"The XML has {len(images)} images ({said[:120]}), {len(chosen) or 'none'} of them {names[0]}; export the "
            "image that is labeled."
        )
    image = few(chosen[0], "shapes")
    shapes = [(str(each.get("label", "")), _xml_box(each)) for each in image if each.tag != "tag"]
    height, width = image.get("height"), image.get("width")
    size = (int(finite(height)), int(finite(width))) if height and width else None
    return Drawn(shapes, _tagged([each for each in image if each.tag == "tag"]), size)


def _tagged(tags: Sequence[Any]) -> str | None:
    """The class that tags call the image by; others, such as of its quality, do not count."""
    return one_word({word for tag in tags if (word := image_word(str(tag.get("label", ""))))}, "tags")


def _without_suffix(name: str) -> str:
    """The last part of a name; the end of a UID is no suffix."""
    return re.sub(r"\.[A-Za-z][A-Za-z0-9]{1,4}$", "", PurePosixPath(name).name)


def _json_box(shape: Mapping[str, Any]) -> list[float]:
    kind, points = shape.get("type", "polygon"), few(shape["points"], "points", 2 * MOST_POINTS)
    if kind not in ("rectangle", "polygon", "ellipse"):
        raise ValueError(f"A shape is of the type {kind!r}; expected rectangle, polygon or ellipse.")
    if isinstance(points, Sequence) and points and not isinstance(points[0], Sequence) and len(points) % 2 == 0:
        points = list(zip(points[::2], points[1::2]))  # x, y, x, y
    return _box(kind, points, finite(shape.get("rotation") or 0))


def _xml_box(shape: ElementTree.Element) -> list[float]:
    kind = shape.tag
    points: Any
    if kind == "polygon":
        points = [pair.split(",") for pair in shape.get("points", "").split(";") if pair]
    elif kind == "box":
        points = [(shape.get("xtl"), shape.get("ytl")), (shape.get("xbr"), shape.get("ybr"))]
    elif kind == "ellipse":
        x, y, wide, high = (finite(shape.get(key)) for key in ("cx", "cy", "rx", "ry"))
        points = [(x, y), (x + wide, y - high)]
    else:
        raise ValueError(f"A shape is of the type {kind}; expected polygon, box or ellipse.")
    return _box(kind, points, finite(shape.get("rotation") or 0))


def _box(kind: str, points: Any, degrees: float) -> list[float]:
    """The box around a shape that was turned about its center; an ellipse is its center and its upper right corner."""
    xmin, ymin, xmax, ymax = _around(points)
    if kind == "ellipse":
        x, y = (finite(edge) for edge in points[0])
        across, down = xmax - x, y - ymin
    elif kind == "polygon" or not degrees:
        return [xmin, ymin, xmax, ymax]
    else:
        x, y = (xmin + xmax) / 2, (ymin + ymax) / 2
        across, down = xmax - x, ymax - y
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    parts = ((across * cos, down * sin), (across * sin, down * cos))
    wide, high = (math.hypot(*part) if kind == "ellipse" else sum(part) for part in parts)
    # a quarter turn is not quite one in floating point
    return [round(edge, 9) for edge in (x - wide, y - high, x + wide, y + high)]


def _around(points: Any) -> list[float]:
    """The box around points ``[[x, y], ...]``; raise ValueError if they are not at least two pairs of numbers."""
    few(points, "points", MOST_POINTS)
    try:
        pairs = [(finite(x), finite(y)) for x, y in points]
    except (TypeError, ValueError) as error:
        raise ValueError(f"The points of a shape are {str(points[:4])[:80]}; expected [[x, y], ...].") from error
    if len(pairs) < 2:
        raise ValueError(f"A shape has {len(pairs)} points; expected two or more.")
    xs, ys = zip(*pairs)
    return [min(xs), min(ys), max(xs), max(ys)]
