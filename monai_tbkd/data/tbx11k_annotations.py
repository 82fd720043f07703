"""TBX11K's boxes, from its XML and its COCO JSON files."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from monai_tbkd.data.box_types import box_type_of
from monai_tbkd.data.datalist_error import DatalistError
from monai_tbkd.data.datalist_item import Boxes
from monai_tbkd.data.outside_text import read_text, read_xml


@dataclass(frozen=True)
class FilmAnnotation:
    """Boxes of one film in the pixels of some version of it.

    Attributes:
        boxes: ``[xmin, ymin, xmax, ymax]``, half-open.
        box_types: ``"active"``, ``"latent"``, ``"uncertain"``, or the file's own word; one a box.
        size: ``(height, width)`` of the version that the boxes were drawn on.
    """

    boxes: Boxes
    box_types: list[str]
    size: tuple[float, float]

    def scaled_to(self, height: float, width: float) -> Boxes:
        """The boxes in the pixels of a film of another size.

        Args:
            height: of the film file, in pixels.
            width: of the film file, in pixels.

        Returns:
            ``[xmin, ymin, xmax, ymax]`` each.

        Example:
            >>> FilmAnnotation([[0, 100, 50, 200]], ["active"], (200, 100)).scaled_to(100, 100)
            [[0.0, 50.0, 50.0, 100.0]]
        """
        y, x = height / self.size[0], width / self.size[1]
        return [[box[0] * x, box[1] * y, box[2] * x, box[3] * y] for box in self.boxes]


def read_xml_annotation(path: Path) -> FilmAnnotation:
    """Read one film's XML; its boxes are in the pixels of the ORIGINAL film, whose size it holds.

    Args:
        path: ``annotations/xml/tb0005.xml``.

    Returns:
        The annotation; no boxes where the file has no object.

    Raises:
        DatalistError: not XML, a document type or entity declaration in it, or an element missing.
    """
    try:
        root = read_xml(path)
        size = (_number(root, "size/height"), _number(root, "size/width"))
        objects = root.findall("object")
        boxes = [[_number(each, f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")] for each in objects]
    except (OSError, ValueError) as error:
        raise DatalistError(f"{path}: not an annotation of TBX11K ({error}); copy the file again.") from error
    if min(size) <= 0:
        raise DatalistError(f"{path}: film size {size}; expected above 0, so copy the file again.")
    return FilmAnnotation(boxes, [_type(each.findtext("name") or "") for each in objects], size)


def read_json_annotations(path: Path) -> dict[str, FilmAnnotation]:
    """Read a COCO file.

    Args:
        path: ``annotations/json/TBX11K_train.json``.

    Returns:
        For each film that the file lists, by its ``file_name`` (``"tb/tb0005.png"``): its annotation, without boxes
        where it has none.

    Raises:
        DatalistError: not such a file, or an annotation of a film that it does not list.
    """
    try:
        content = json.loads(read_text(path))
        types = {each["id"]: _type(_text(each["name"])) for each in content["categories"]}
        films = {
            each["id"]: (
                _text(each["file_name"]),
                FilmAnnotation([], [], (float(each["height"]), float(each["width"]))),
            )
            for each in content["images"]
        }
        for each in content.get("annotations", []):
            if each["image_id"] not in films:
                raise ValueError(f"an annotation of image {each['image_id']}, which is not listed")
            x, y, width, height = (float(number) for number in each["bbox"])
            annotation = films[each["image_id"]][1]
            annotation.boxes.append([x, y, x + width, y + height])
            annotation.box_types.append(types[each["category_id"]])
        if any(min(annotation.size) <= 0 for _, annotation in films.values()):
            raise ValueError("an image without a size")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DatalistError(
            f"{path}: not COCO annotations of TBX11K ({type(error).__name__}: {error}); copy the file again."
        ) from error
    return dict(films.values())


def _number(element: ElementTree.Element, path: str) -> float:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"no {path}")
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{path} is {text}")
    return number


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a name is {str(value)[:40]!r}")
    return value


def _type(name: str) -> str:
    return box_type_of(name) or name or "unspecified"
