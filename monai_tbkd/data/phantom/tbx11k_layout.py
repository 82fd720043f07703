"""TBX11K's on-disk annotations: VOC XML in the original film's pixels, COCO JSON in the PNG's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from monai_tbkd.data.phantom.records import ACTIVE, LATENT, Lesion

PREFIX = {"health": "h", "sick": "s", "tb": "tb"}
CATEGORIES = [
    {"id": 1, "name": ACTIVE, "supercategory": "Tuberculosis"},
    {"id": 2, "name": LATENT, "supercategory": "Tuberculosis"},
    {"id": 3, "name": "PulmonaryTuberculosis", "supercategory": "Tuberculosis"},
]
_CATEGORY_IDS = {str(c["name"]): c["id"] for c in CATEGORIES}


def film_name(class_name: str, number: int) -> str:
    """A film's name in the lists, such as ``tb/tb0005.png``; numbers start at 1."""
    return f"{class_name}/{PREFIX[class_name]}{number:04d}.png"


def voc_xml(stem: str, lesions: Iterable[Lesion], png_size: int, original: tuple[int, int]) -> str:
    """The VOC annotation of one film with tuberculosis.

    Args:
        stem: file name without its ending, such as ``tb0005``.
        lesions: with boxes in the PNG's pixels.
        png_size: side of the PNG.
        original: (width, height) of the film from which the PNG was made; the XML's boxes are in its pixels.

    Returns:
        The XML text, formatted as the release's.
    """
    width, height = original
    lines = ["<annotation>", f"\t<filename>{stem}</filename>", "\t<segmented>0</segmented>", "\t<size>"]
    lines += [f"\t\t<width>{width}</width>", f"\t\t<height>{height}</height>", "\t</size>"]
    for lesion in lesions:
        corners = (round(c * scale / png_size) for c, scale in zip(lesion.box, (width, height) * 2, strict=True))
        lines += ["\t<object>", f"\t\t<name>{lesion.tb_type}</name>", "\t\t<pose>unspecified</pose>"]
        lines += ["\t\t<truncated>0</truncated>", "\t\t<difficult>0</difficult>", "\t\t<bndbox>"]
        names = ("xmin", "ymin", "xmax", "ymax")
        lines += [f"\t\t\t<{name}>{corner}</{name}>" for name, corner in zip(names, corners, strict=True)]
        lines += ["\t\t</bndbox>", "\t</object>"]
    return "\n".join([*lines, "</annotation>", ""])


def coco_json(films: Sequence[tuple[str, Sequence[Lesion]]], png_size: int) -> dict[str, Any]:
    """The COCO annotation of one split; films without a lesion are listed too, as in the release.

    Args:
        films: pairs of name (such as ``tb/tb0005.png``) and lesions.
        png_size: side of the PNGs.

    Returns:
        A dict to be written as JSON; boxes are ``[x, y, width, height]`` floats in the PNG's pixels.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (name, lesions) in enumerate(films, start=1):
        images.append({"id": image_id, "file_name": name, "width": png_size, "height": png_size})
        for lesion in lesions:
            x0, y0, x1, y1 = (float(c) for c in lesion.box)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": _CATEGORY_IDS[lesion.tb_type],
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                }
            )
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}
