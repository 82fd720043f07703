"""Finished labels as one file of boxes in image pixels, and as a table to train on."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_tbkd.data.files.atomic_write import write_json
from monai_tbkd.data.lists import manifest
from monai_tbkd.label.image_label import ImageLabel
from monai_tbkd.label.image_sources import FolderSource, PacsSource
from monai_tbkd.label.label_folder import FINAL, LABELS_FOLDER, PACS_IMAGES, LabelFolder, is_pacs_store
from monai_tbkd.transforms import NOTICE

logger = logging.getLogger(__name__)

_CATEGORIES = {
    "active": "ActiveTuberculosis", "latent": "ObsoletePulmonaryTuberculosis", "unknown": "PulmonaryTuberculosis",
}  # fmt: skip
"""TBX11K's, the last where the kind is not known."""


@dataclass
class LabelExport:
    """The labels of a store by their images' paths under its folder, and why others are left out, by identifier."""

    labels: dict[str, ImageLabel] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def open_store(store: Path) -> tuple[LabelFolder, FolderSource | PacsSource]:
    """Open the folder of images that was labeled, or that of labels and images of a PACS; no server is needed."""
    if not store.is_dir():
        raise FileNotFoundError(f"{store}: there is no such folder of images; check the path.")
    labels = LabelFolder(store / LABELS_FOLDER)
    of_pacs = is_pacs_store(store)
    return labels, PacsSource(None, store / PACS_IMAGES) if of_pacs else FolderSource(store, labels.root)


def collect_labels(store: str | Path, tag: str = FINAL) -> LabelExport:
    """Read the labels of a store, as `open_store` takes it; raise ValueError if there are none."""
    labels, source = open_store(Path(store))
    identifiers = labels.images(tag)
    if not identifiers:
        raise ValueError(f"{labels.root}: no label of the tag {tag}; name the folder of images that was labeled.")
    found = LabelExport()
    for identifier in identifiers:
        image = source.path(identifier)
        try:
            if image is None:
                raise ValueError("its image is not there")
            label = labels.read(identifier, image, tag)
        except (ValueError, OSError) as error:
            found.faults[identifier] = str(error)
            logger.warning("%s is left out: %s", identifier, error)
            continue
        if label.left_out:
            logger.info("%s: left out of its report: %s", identifier, ", ".join(label.left_out))
        found.labels[Path(os.path.relpath(label.image, source.folder)).as_posix()] = label
    return found


def write_coco(path: Path, export: LabelExport) -> None:
    """Write the boxes as JSON in COCO's format with TBX11K's names of categories.

    ``bbox`` is ``[x, y, width, height]`` in pixels of the image as stored. Images without TB are listed, too; ``label``
    says what each is.
    """
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    kinds = list(_CATEGORIES)
    for number, (name, label) in enumerate(export.labels.items(), start=1):
        height, width = label.stored_size
        images.append(
            {"id": number, "file_name": name, "height": height, "width": width, "label": label.class_name,
             "identifier": label.identifier}
        )  # fmt: skip
        for (xmin, ymin, xmax, ymax), kind in zip(label.boxes, label.box_types, strict=True):
            category = kinds.index(kind if kind in kinds else "unknown") + 1
            size = [xmax - xmin, ymax - ymin]
            boxes.append(
                {"id": len(boxes) + 1, "image_id": number, "category_id": category, "bbox": [xmin, ymin, *size],
                 "area": size[0] * size[1], "iscrowd": 0}
            )  # fmt: skip
    categories = [
        {"id": number, "name": name, "supercategory": "Tuberculosis"}
        for number, name in enumerate(_CATEGORIES.values(), start=1)
    ]
    info = {"description": f"Boxes drawn in MONAI Label; {NOTICE}"}
    write_json(path, {"info": info, "images": images, "annotations": boxes, "categories": categories})


def write_manifest(path: Path, export: LabelExport) -> None:
    """Write a CSV that training and evaluation take as ``--dataset_dir``; images are named by their absolute paths.

    Boxes are in pixels of the upright image, as networks see it, so they differ from the JSON's where a DICOM image is
    stored lying or mirrored.
    """
    labels = export.labels.values()
    manifest.write_manifest(
        path, ((str(label.image.resolve()), label.class_name, label.upright_boxes) for label in labels)
    )
