"""Finished labels as one file of boxes in film pixels, and as a table to train on."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_tbkd.data import manifest
from monai_tbkd.data.whole_file import write_json
from monai_tbkd.label.film_ids import check_name
from monai_tbkd.label.film_label import FilmLabel, read_label
from monai_tbkd.label.film_sources import FolderSource
from monai_tbkd.label.label_folder import FINAL, LabelFolder
from monai_tbkd.transforms import NOTICE

logger = logging.getLogger(__name__)

LABELS_FOLDER = "tbkd_labels"
"""Beside the films of a folder, or beside those fetched from a PACS."""
PACS_MARK = "pacs.json"
PACS_FILMS = "films"
_CATEGORIES = {"active": "ActiveTuberculosis", "latent": "ObsoletePulmonaryTuberculosis"}
_UNSURE = "PulmonaryTuberculosis"  # TBX11K's word where the kind is not known
_NAMES = ("ActiveTuberculosis", "ObsoletePulmonaryTuberculosis", _UNSURE)


@dataclass
class LabelExport:
    """What was exported.

    Attributes:
        labels: by the film's name, its path under the folder of films.
        films: the identifier of each.
        faults: by identifier, why a label was left out.
    """

    folder: Path
    labels: dict[str, FilmLabel] = field(default_factory=dict)
    films: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def mark_pacs_store(store: Path) -> None:
    """Say that the films of a store are below it, in folders named by their series, fetched from a PACS."""
    write_json(store / PACS_MARK, {"films": "fetched from a DICOMweb server; they hold patient data"})


def is_pacs_store(store: Path) -> bool:
    """Whether `mark_pacs_store` has said so of a store."""
    return (store / PACS_MARK).is_file()


def collect_labels(store: str | Path, tag: str = FINAL) -> LabelExport:
    """Read the labels of a store; no server is needed.

    Args:
        store: the folder of films that was labeled, or the folder in which labels and films of a PACS are kept.
        tag: of the labels.

    Raises:
        ValueError: there are no labels.
    """
    store = Path(store)
    labels = LabelFolder(store / LABELS_FOLDER)
    identifiers = labels.films(tag)
    if not identifiers:
        raise ValueError(f"{labels.root}: no label of the tag {tag}; name the folder of films that was labeled.")
    of_pacs = is_pacs_store(store)
    folder = store / PACS_FILMS if of_pacs else store
    path_of: Callable[[str], Path | None]
    path_of = (lambda film: folder / film) if of_pacs else FolderSource(folder, labels.root).path
    found = LabelExport(folder)
    for identifier in identifiers:
        film, label = path_of(identifier), labels.path(identifier, tag)
        try:
            if film is None or not film.exists() or label is None:
                raise ValueError("its film is not there")
            check_name(str(film))
            read = read_label(label, film, labels.info(identifier, tag), identifier)
        except (ValueError, OSError) as error:
            found.faults[identifier] = str(error)
            logger.warning("%s is left out: %s", identifier, error)
            continue
        if read.left_out:
            logger.info("%s: left out of its report: %s", identifier, ", ".join(read.left_out))
        name = Path(os.path.relpath(read.film, folder)).as_posix()
        found.labels[name], found.films[name] = read, identifier
    return found


def write_coco(path: Path, export: LabelExport) -> None:
    """Write the boxes in COCO's format with TBX11K's names of categories.

    ``bbox`` is ``[x, y, width, height]`` in pixels of the film as stored. Films without TB are among the images, too;
    ``label`` says what each is.

    Args:
        path: JSON.
        export: of a store.
    """
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for number, (name, label) in enumerate(export.labels.items(), start=1):
        height, width = label.stored_size
        images.append(
            {"id": number, "file_name": name, "height": height, "width": width, "label": label.class_name,
             "film_id": export.films[name]}
        )  # fmt: skip
        for (xmin, ymin, xmax, ymax), kind in zip(label.boxes, label.box_types, strict=True):
            category = _NAMES.index(_CATEGORIES.get(kind, _UNSURE)) + 1
            size = [xmax - xmin, ymax - ymin]
            boxes.append(
                {"id": len(boxes) + 1, "image_id": number, "category_id": category, "bbox": [xmin, ymin, *size],
                 "area": size[0] * size[1], "iscrowd": 0}
            )  # fmt: skip
    categories = [{"id": i, "name": name, "supercategory": "Tuberculosis"} for i, name in enumerate(_NAMES, start=1)]
    info = {"description": f"Boxes drawn in MONAI Label; {NOTICE}"}
    write_json(path, {"info": info, "images": images, "annotations": boxes, "categories": categories})


def write_manifest(path: Path, export: LabelExport) -> None:
    """Write a table that training and evaluation take as ``--dataset_dir``.

    Boxes are in pixels of the upright film, as networks see it, so they differ from the JSON's where a DICOM film is
    stored lying or mirrored.

    Args:
        path: CSV; films are named by their absolute paths.
        export: of a store.
    """
    labels = export.labels.values()
    rows = ((str(label.film.resolve()), label.class_name, label.upright_boxes) for label in labels)
    manifest.write_manifest(path, rows)
