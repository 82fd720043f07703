"""TBX11K in its official layout, with boxes from its XML and its COCO JSON files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from xml.etree import ElementTree

from monai_tbkd.data.files.outside_text import read_text, read_xml
from monai_tbkd.data.files.own_results import is_result_folder
from monai_tbkd.data.files.paths import absolute_path, natural_key
from monai_tbkd.data.lists.datalist_error import DatalistError, name_first, refuse, refused_unless_read
from monai_tbkd.data.lists.datalist_item import Boxes, DatalistItem, datalist_item
from monai_tbkd.data.lists.dataset_files import ImagesByName, files_below, images_in, subfolders, text_lines
from monai_tbkd.data.lists.image_classes import CLASS_NAMES, box_type_of, is_split_word, plain_word, split_of
from monai_tbkd.data.readers.image_folder import image_stem

# The release has these two as well: images without public labels, and images of other data sets.
_UNLABELED_FOLDERS = ("test", "extra")
_SPLITS = ("train", "val")
_LISTS = (".txt", ".csv", ".lst", "")
_TB_TYPES = {"active", "latent", "uncertain"}


class ImageAnnotation(NamedTuple):
    """Boxes of one image in the pixels of some version of it."""

    boxes: Boxes  # [xmin, ymin, xmax, ymax], half-open
    box_types: list[str]  # "active", "latent", "uncertain", or the file's own word; one a box
    size: tuple[float, float]  # (height, width) of the version that the boxes were drawn on


def load_tbx11k(root: str | os.PathLike[str]) -> list[DatalistItem]:
    """Read TBX11K (Liu et al., "Rethinking Computer-Aided Tuberculosis Diagnosis", CVPR 2020).

    Images are those of ``lists/TBX11K_{train,val}.txt``; without lists, those that the JSON files list; without either,
    all of ``imgs/{health,sick,tb}`` as one train split. Boxes come from ``annotations/xml``, or, for an image without
    XML, from ``annotations/json/TBX11K_{train,val}.json``, and are scaled to the image file (the release's images are
    512 x 512, the XML's boxes are in the pixels of the original). An annotation without a box is a missing one. What
    is listed or annotated as ``tb/tb0005.png``, which is also the item's name, may be there in another format, as
    ``tb/tb0005.jpg``. Case does not count in the names of lists, annotations and their folders.

    Raises:
        DatalistError: no ``imgs`` or unknown folders in it, lists or annotations that cannot be read or that would
            silently be left out, or annotations of no image, of several of one name, or of TB in health or sick.
    """
    root = absolute_path(root)
    images = root / "imgs"
    if not images.is_dir():
        raise DatalistError(f"{images}: there is no such folder; expected TBX11K's imgs folder, so check dataset_dir.")
    folders = {path.name for path in subfolders(images)} - {*CLASS_NAMES, *_UNLABELED_FOLDERS}
    unknown = sorted(name for name in folders if not is_result_folder(images / name))
    known = f"{', '.join(CLASS_NAMES)} (and {', '.join(_UNLABELED_FOLDERS)}, which are left out)"
    refuse(images, "unknown folders", unknown, f"expected {known}, so rename or move them")
    files = list(files_below(root))
    lists = _of_splits(root, files, "lists", ".txt")
    json_files = _of_splits(root, files, "annotations/json", ".json", needed=not lists)
    if len(lists or json_files) < len(_SPLITS):
        suffixes = _LISTS if lists else (".json",) if json_files else (*_LISTS, ".json")
        _refuse_other_lists(root, files_below(root, results=False), lists or json_files, suffixes)
    by_split = {split: read_json_annotations(path) for split, path in json_files.items()}

    of_classes = [path for name in CLASS_NAMES for path in images_in(images / name, recursive=False)]
    names = ImagesByName(images, of_classes)
    found = [(split, names.find(name) or name) for split, name in _listed(root, lists, by_split, of_classes)]
    listed = {name for _, name in found}
    annotations = {names.find(name) or name: each for part in by_split.values() for name, each in part.items()}
    orphans = [name for name, each in annotations.items() if each.boxes and not (images / name).exists()]
    xml_files = _in_folder(root, files, "annotations/xml", ".xml")
    for path in xml_files:
        annotation = read_xml_annotation(path)
        own = names.of_stem(f"tb/{image_stem(path.stem)}")
        if not own:
            orphans.append(f"tb/{image_stem(path.stem)}.png")
        if len(own) > 1:
            names.several[f"{path.name} is of {' and '.join(own)}"] = None
        for name in listed.intersection(own):
            if annotation.boxes or name not in annotations:
                annotations[name] = annotation
    others = [
        name
        for name, each in annotations.items()
        if name.startswith(("health/", "sick/")) and _TB_TYPES.intersection(each.box_types)
    ]
    fix = "move these images or take the boxes away"
    refuse(root, "boxes of tuberculosis on images that are not in imgs/tb", others, fix)
    fix = "add the images to imgs or take the annotations away"
    refuse(root, "annotations without an image", dict.fromkeys(orphans), fix)
    bare = {image_stem(n) for n in listed if n.startswith("tb/") and not (n in annotations and annotations[n].boxes)}
    read = {*xml_files, *json_files.values()}
    rest = (path for path in files_below(root, results=False) if path not in read)
    unread = [path.relative_to(root).as_posix() for path in rest if _is_of(path, bare)]
    fix = "put them into annotations/xml, or annotations/json as TBX11K_train.json and TBX11K_val.json"
    refuse(root, "annotations that are not read, of images without others", unread, fix)
    refuse(root, "several images of one name", names.several, "keep one of them")
    items = []
    for split, name in sorted(found, key=lambda each: (_SPLITS.index(each[0]), natural_key(each[1]))):
        boxes, types, size = annotations.get(name, ImageAnnotation([], [], (1, 1)))
        path, class_name = images / name, PurePosixPath(name).parts[0]
        items.append(datalist_item(path, name, class_name, split, boxes, types, drawn_on=size))
    return items


def read_xml_annotation(path: Path) -> ImageAnnotation:
    """Read one image's XML; its boxes are in the pixels of the ORIGINAL image, whose size it holds.

    Raises:
        DatalistError: not XML, a document type or entity declaration in it, or an element missing.
    """
    with refused_unless_read(path, "not an annotation of TBX11K", "copy the file again"):
        root = read_xml(path)
        size = (_number(root, "size/height"), _number(root, "size/width"))
        if min(size) <= 0:
            raise ValueError(f"image size {size}; expected above 0")
        objects = root.findall("object")
        boxes = [[_number(each, f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")] for each in objects]
        return ImageAnnotation(boxes, [_type(each.findtext("name") or "") for each in objects], size)


def read_json_annotations(path: Path) -> dict[str, ImageAnnotation]:
    """Read a COCO file: the annotation of each image that it lists, by ``file_name`` (``"tb/tb0005.png"``).

    Raises:
        DatalistError: not such a file, or an annotation of an image that it does not list.
    """
    with refused_unless_read(path, "not COCO annotations of TBX11K", "copy the file again"):
        content = json.loads(read_text(path))
        types = {each["id"]: _type(_text(each["name"])) for each in content["categories"]}
        found: dict[str, ImageAnnotation] = {}
        by_id = {}
        for each in content["images"]:
            annotation = ImageAnnotation([], [], (float(each["height"]), float(each["width"])))
            by_id[each["id"]] = found[_text(each["file_name"])] = annotation
        for each in content.get("annotations", []):
            if each["image_id"] not in by_id:
                raise ValueError(f"an annotation of image {each['image_id']}, which is not listed")
            x, y, width, height = (float(number) for number in each["bbox"])
            by_id[each["image_id"]].boxes.append([x, y, x + width, y + height])
            by_id[each["image_id"]].box_types.append(types[each["category_id"]])
        if any(min(annotation.size) <= 0 for annotation in by_id.values()):
            raise ValueError("an image without a size")
        return found


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


def _is_of(path: Path, names: set[str]) -> bool:
    """Whether a file looks like an annotation of one of these images."""
    if path.suffix.lower() == ".xml":
        return f"tb/{image_stem(path.stem)}" in names
    of_release = path.stem.lower().startswith("tbx11k") or "annotation" in path.parent.name.lower()
    return bool(names) and path.suffix.lower() == ".json" and of_release and _split_word(path) in _SPLITS


def _in_folder(root: Path, files: Sequence[Path], folder: str, suffix: str) -> list[Path]:
    """Select files of a folder below the root, without regard to case."""
    of_kind = (path for path in files if path.suffix.lower() == suffix)
    return [path for path in of_kind if path.parent.relative_to(root).as_posix().lower() == folder]


def _of_splits(root: Path, files: Sequence[Path], folder: str, suffix: str, needed: bool = True) -> dict[str, Path]:
    """``TBX11K_train`` and ``TBX11K_val`` of a folder; where splits are needed, other files alone are an error."""
    there = _in_folder(root, files, folder, suffix)
    by_name = {path.name.lower(): path for path in there}
    found = {split: by_name[name] for split in _SPLITS if (name := f"tbx11k_{split}{suffix}") in by_name}
    if needed and there and not found:
        raise DatalistError(
            f"{there[0].parent}: neither TBX11K_train{suffix} nor TBX11K_val{suffix} (found "
            f"{name_first(path.name for path in there)}); call the files of the splits so."
        )
    return found


def _split_word(path: Path) -> str | None:
    word = plain_word(path.stem).removeprefix("tbx11k_")
    return split_of(word) or (word if is_split_word(word) else None)


def _refuse_other_lists(root: Path, files: Iterable[Path], found: Collection[str], suffixes: Collection[str]) -> None:
    """Refuse files that look like the list of a split that was not found, as ``val.txt`` beside TBX11K_train.txt."""
    strange = [
        path.relative_to(root).as_posix()
        for path in files
        if path.suffix.lower() in suffixes
        and (word := _split_word(path)) is not None
        and word not in found
        and path.stem.lower() != "tbx11k_test"  # the release has it; its images have no labels
    ]
    fix = "call them lists/TBX11K_train.txt and lists/TBX11K_val.txt, or take them away"
    refuse(root, "lists of splits that are not read", strange, fix)


def _listed(
    root: Path, lists: dict[str, Path], by_split: dict[str, dict[str, ImageAnnotation]], images: Sequence[Path]
) -> list[tuple[str, str]]:
    """Split and name of each image."""
    if lists:
        found = [(split, line) for split, path in lists.items() for line in text_lines(path)]
    elif by_split:
        found = [(split, name) for split, names in by_split.items() for name in names]
    else:
        folders = [folder for name in CLASS_NAMES if (folder := root / "imgs" / name).is_dir()]
        inner = [path.relative_to(root).as_posix() for folder in folders for path in subfolders(folder)]
        fix = "put images into the class's folder, and splits into lists/TBX11K_train.txt and lists/TBX11K_val.txt"
        refuse(root, "folders within a class", inner, fix)
        found = [("train", path.relative_to(root / "imgs").as_posix()) for path in images]
    parts = {name: PurePosixPath(name).parts for _, name in found}
    strange = [n for n, own in parts.items() if len(own) != 2 or own[0] not in CLASS_NAMES or own[1] == ".."]
    fix = f"expected one of the folders {', '.join(CLASS_NAMES)} and a file name"
    refuse(root, "listed images whose name is not like tb/tb0005.png", strange, fix)
    return found
