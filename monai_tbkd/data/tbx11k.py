"""TBX11K in its official layout."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from monai_tbkd.data.absolute_path import absolute_path
from monai_tbkd.data.datalist_error import DatalistError, name_first
from monai_tbkd.data.datalist_item import DatalistItem, datalist_item
from monai_tbkd.data.film_classes import CLASS_NAMES
from monai_tbkd.data.natural_order import natural_key
from monai_tbkd.data.own_results import is_result_folder
from monai_tbkd.data.tbx11k_annotations import FilmAnnotation, read_json_annotations, read_xml_annotation

# The release has these two as well: films without public labels, and films of other data sets.
_UNLABELED_FOLDERS = ("test", "extra")
_SPLITS = ("train", "val")


def load_tbx11k(root: str | os.PathLike[str], num_classes: int = 2) -> list[DatalistItem]:
    """Read TBX11K (Liu et al., "Rethinking Computer-Aided Tuberculosis Diagnosis", CVPR 2020).

    Films are those of ``lists/TBX11K_{train,val}.txt``; without lists, those that the JSON files list; without either,
    all of ``imgs/{health,sick,tb}`` as one train split. Boxes come from ``annotations/xml``, or, for a film without
    XML, from ``annotations/json/TBX11K_{train,val}.json``, and are scaled to the film file (the release's films are
    512 x 512, the XML's boxes are in the pixels of the original). An annotation without a box is a missing one.

    Args:
        root: the folder with ``imgs`` in it.
        num_classes: label scheme, see `class_label`.

    Returns:
        Data list items; names like ``"tb/tb0005.png"``.

    Raises:
        DatalistError: no ``imgs``, an unknown folder in it, a list or annotation that cannot be read, or annotations
            of films that are not there.

    Example:
        >>> items = load_tbx11k("TBX11K")  # doctest: +SKIP
    """
    root = absolute_path(root)
    images = root / "imgs"
    if not images.is_dir():
        raise DatalistError(f"{images}: there is no such folder; expected TBX11K's imgs folder, so check dataset_dir.")
    folders = [path.name for path in images.iterdir() if path.is_dir() and not path.name.startswith(".")]
    unknown = sorted(set(folders) - set(CLASS_NAMES) - set(_UNLABELED_FOLDERS))
    unknown = [name for name in unknown if not is_result_folder(images / name)]
    if unknown:
        raise DatalistError(
            f"{images}: unknown folders ({name_first(unknown)}); expected {', '.join(CLASS_NAMES)} "
            f"(and {', '.join(_UNLABELED_FOLDERS)}, which are left out), so rename or move them."
        )
    by_split = {
        split: read_json_annotations(path)
        for split in _SPLITS
        if (path := root / "annotations" / "json" / f"TBX11K_{split}.json").is_file()
    }
    annotations = {name: each for films in by_split.values() for name, each in films.items()}
    orphans = [name for name, each in annotations.items() if each.boxes and not (images / name).exists()]
    for path in sorted((root / "annotations" / "xml").glob("*.xml"), key=lambda path: natural_key(path.name)):
        annotation = read_xml_annotation(path)
        name = f"tb/{path.stem}.png"
        if not (images / name).exists():
            orphans.append(name)
        elif annotation.boxes or name not in annotations:
            annotations[name] = annotation
    if orphans:
        raise DatalistError(
            f"{root}: annotations without a film ({name_first(dict.fromkeys(orphans))}); "
            "add the films to imgs or take the annotations away."
        )
    return [_item(images, name, split, num_classes, annotations.get(name)) for split, name in _listed(root, by_split)]


def _listed(root: Path, by_split: dict[str, dict[str, FilmAnnotation]]) -> list[tuple[str, str]]:
    lists = {split: root / "lists" / f"TBX11K_{split}.txt" for split in _SPLITS}
    if any(path.is_file() for path in lists.values()):
        found = []
        for split, path in lists.items():
            if path.is_file():
                lines = path.read_text(encoding="utf-8").splitlines()
                found += [(split, line.strip()) for line in lines if line.strip()]
    elif by_split:
        found = [(split, name) for split, films in by_split.items() for name in films]
    else:
        found = [
            ("train", f"{folder}/{path.name}")
            for folder in CLASS_NAMES
            if (root / "imgs" / folder).is_dir()
            for path in (root / "imgs" / folder).iterdir()
            if path.is_file() and not path.name.startswith(".")
        ]
    strange = [name for _, name in found if not _is_film_name(name)]
    if strange:
        raise DatalistError(
            f"{root}: listed films whose name is not like tb/tb0005.png ({name_first(strange)}); "
            f"expected one of the folders {', '.join(CLASS_NAMES)} and a file name."
        )
    return sorted(found, key=lambda each: (_SPLITS.index(each[0]), natural_key(each[1])))


def _is_film_name(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return len(parts) == 2 and parts[0] in CLASS_NAMES and parts[1] != ".."


def _item(images: Path, name: str, split: str, num_classes: int, annotation: FilmAnnotation | None) -> DatalistItem:
    item = datalist_item(images / name, name, PurePosixPath(name).parts[0], split, num_classes)
    if item["class_name"] == "tb" and annotation is not None and annotation.boxes and item["size"] is not None:
        item["boxes"] = annotation.scaled_to(*item["size"])
        item["box_types"] = list(annotation.box_types)
    return item
