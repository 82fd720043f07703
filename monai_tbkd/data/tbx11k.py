"""TBX11K in its official layout."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from monai_tbkd.data.absolute_path import absolute_path
from monai_tbkd.data.datalist_error import DatalistError, name_first
from monai_tbkd.data.datalist_item import DatalistItem, datalist_item
from monai_tbkd.data.film_classes import CLASS_NAMES, plain_word
from monai_tbkd.data.film_folder import film_stem, list_films
from monai_tbkd.data.natural_order import natural_key
from monai_tbkd.data.outside_text import read_text
from monai_tbkd.data.own_results import is_result_folder
from monai_tbkd.data.split_words import is_split_word, split_of
from monai_tbkd.data.tbx11k_annotations import FilmAnnotation, read_json_annotations, read_xml_annotation

# The release has these two as well: films without public labels, and films of other data sets.
_UNLABELED_FOLDERS = ("test", "extra")
_SPLITS = ("train", "val")
_LISTS = (".txt", ".csv", ".lst", "")
_TB_TYPES = {"active", "latent", "uncertain"}


def load_tbx11k(root: str | os.PathLike[str], num_classes: int = 2) -> list[DatalistItem]:
    """Read TBX11K (Liu et al., "Rethinking Computer-Aided Tuberculosis Diagnosis", CVPR 2020).

    Films are those of ``lists/TBX11K_{train,val}.txt``; without lists, those that the JSON files list; without either,
    all of ``imgs/{health,sick,tb}`` as one train split. Boxes come from ``annotations/xml``, or, for a film without
    XML, from ``annotations/json/TBX11K_{train,val}.json``, and are scaled to the film file (the release's films are
    512 x 512, the XML's boxes are in the pixels of the original). An annotation without a box is a missing one. What
    is listed or annotated as ``tb/tb0005.png`` may be there in another format, as ``tb/tb0005.jpg``. Case does not
    count in the names of lists, annotations and their folders.

    Args:
        root: the folder with ``imgs`` in it.
        num_classes: label scheme, see `class_label`.

    Returns:
        Data list items; names like ``"tb/tb0005.png"``.

    Raises:
        DatalistError: no ``imgs``, an unknown folder in it, lists or JSON files of other names or at other places where
            a split would be lost, annotations at other places where boxes would be, a list or annotation that cannot be
            read, annotations of images that are not there, of several of one name, or of TB in health or sick.

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
    lists = _of_splits(_folder(root, "lists"), ".txt")
    annotated = _folder(root, "annotations")
    json_files = _of_splits(_folder(annotated, "json"), ".json", needed=not lists)
    _check_splits(root, lists or json_files, _LISTS if lists else (".json",) if json_files else (*_LISTS, ".json"))
    by_split = {split: read_json_annotations(path) for split, path in json_files.items()}
    listed = _listed(root, lists, by_split)
    places = _Places(images)
    films = [(split, places.find(name)) for split, name in listed]
    annotations = {places.find(name): each for part in by_split.values() for name, each in part.items()}
    orphans = [name for name, each in annotations.items() if each.boxes and not (images / name).exists()]
    used = {name for _, name in films}
    xml_folder = _folder(annotated, "xml")
    for path in _files(xml_folder, ".xml"):
        annotation = read_xml_annotation(path)
        stem = f"tb/{film_stem(path.stem)}"
        found = places.by_stem[stem]
        if not found:
            orphans.append(f"{stem}.png")
        if len(found) > 1:
            places.several.append(f"{path.name} is of {' and '.join(found)}")
        for name in used.intersection(found):
            if annotation.boxes or name not in annotations:
                annotations[name] = annotation
    others = [
        name
        for name, each in annotations.items()
        if name.startswith(("health/", "sick/")) and _TB_TYPES.intersection(each.box_types)
    ]
    if others:
        raise DatalistError(
            f"{root}: boxes of tuberculosis on films that are not in imgs/tb ({name_first(others)}); move these "
            "films or take the boxes away."
        )
    if orphans:
        raise DatalistError(
            f"{root}: annotations without a film ({name_first(dict.fromkeys(orphans))}); "
            "add the films to imgs or take the annotations away."
        )
    read = {*_files(xml_folder, ".xml"), *json_files.values()}
    bare = {_stem(name) for name in used if name.startswith("tb/") and not _has_boxes(annotations.get(name))}
    unread = [path.relative_to(root).as_posix() for path in _below(root) if path not in read and _is_of(path, bare)]
    if unread:
        raise DatalistError(
            f"{root}: annotations that are not read, of images without others ({name_first(unread)}); put them into "
            "annotations/xml, or annotations/json as TBX11K_train.json and TBX11K_val.json."
        )
    if places.several:
        raise DatalistError(f"{root}: several images of one name ({name_first(places.several)}); keep one of them.")
    return [
        _item(images, name, split, num_classes, annotations.get(name))
        for split, name in sorted(films, key=lambda each: (_SPLITS.index(each[0]), natural_key(each[1])))
    ]


def _is_of(path: Path, names: set[str]) -> bool:
    """Whether a file looks like an annotation of one of these images."""
    if path.suffix.lower() == ".xml":
        return f"tb/{film_stem(path.stem)}" in names
    of_release = path.stem.lower().startswith("tbx11k") or "annotation" in path.parent.name.lower()
    return bool(names) and path.suffix.lower() == ".json" and of_release and _split_word(path) in _SPLITS


def _has_boxes(annotation: FilmAnnotation | None) -> bool:
    return annotation is not None and bool(annotation.boxes)


class _Places:
    """Images by their name without a suffix: an image that was saved in another format keeps its annotation."""

    def __init__(self, images: Path) -> None:
        self.images = images
        self.several: list[str] = []
        self.by_stem: dict[str, list[str]] = defaultdict(list)
        for folder in CLASS_NAMES:
            for name in _films(images / folder):
                self.by_stem[_stem(f"{folder}/{name}")].append(f"{folder}/{name}")

    def find(self, name: str) -> str:
        """The image that a list or an annotation means; the name itself where there is none."""
        found = self.by_stem[_stem(name)]
        if (self.images / name).exists() or not found:
            return name
        if len(found) > 1:
            self.several.append(f"{name} is {' and '.join(found)}")
        return found[0]


def _stem(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{film_stem(file)}"


def _films(folder: Path) -> list[str]:
    try:
        return [film["name"] for film in list_films(folder, recursive=False)] if folder.is_dir() else []
    except ValueError:  # none in it
        return []


def _files(folder: Path, suffix: str) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else []
    return sorted(
        (path for path in found if path.suffix.lower() == suffix and not path.name.startswith(".")),
        key=lambda path: natural_key(path.name),
    )


def _of_splits(folder: Path, suffix: str, needed: bool = True) -> dict[str, Path]:
    """``TBX11K_train`` and ``TBX11K_val`` of a folder; where splits are needed, other files alone are an error."""
    by_name = {path.name.lower(): path for path in _files(folder, suffix)}
    found = {split: by_name[name] for split in _SPLITS if (name := f"tbx11k_{split}{suffix}") in by_name}
    others = _files(folder, suffix)
    if needed and others and not found:
        raise DatalistError(
            f"{folder}: neither TBX11K_train{suffix} nor TBX11K_val{suffix} (found "
            f"{name_first(path.name for path in others)}); call the files of the splits so."
        )
    return found


def _folder(parent: Path, name: str) -> Path:
    """A folder, without regard to case."""
    folders = sorted(parent.iterdir()) if parent.is_dir() else []
    return next((path for path in folders if path.name.lower() == name and path.is_dir()), parent / name)


def _below(root: Path) -> Iterator[Path]:
    """Files of the data set, but no hidden ones and no results."""
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [n for n in sorted(subfolders) if n[0] != "." and not is_result_folder(Path(folder, n))]
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))


def _split_word(path: Path) -> str | None:
    word = plain_word(path.stem).removeprefix("tbx11k_")
    return split_of(word) or (word if is_split_word(word) else None)


def _check_splits(root: Path, found: dict[str, Path], suffixes: Collection[str]) -> None:
    """Refuse files that look like the list of a split that was not found, as ``val.txt`` beside TBX11K_train.txt."""
    if len(found) == len(_SPLITS):
        return
    strange = [
        path.relative_to(root).as_posix()
        for path in _below(root)
        if path.suffix.lower() in suffixes
        and (word := _split_word(path)) is not None
        and word not in found
        and path.stem.lower() != "tbx11k_test"  # the release has it; its images have no labels
    ]
    if strange:
        raise DatalistError(
            f"{root}: lists of splits that are not read ({name_first(strange)}); call them lists/TBX11K_train.txt and "
            "lists/TBX11K_val.txt, or take them away."
        )


def _listed(
    root: Path, lists: dict[str, Path], by_split: dict[str, dict[str, FilmAnnotation]]
) -> list[tuple[str, str]]:
    if lists:
        found = [(split, line) for split, path in lists.items() for line in _lines(path)]
    elif by_split:
        found = [(split, name) for split, films in by_split.items() for name in films]
    else:
        folders = [root / "imgs" / name for name in CLASS_NAMES]
        inner = [
            path.relative_to(root).as_posix()
            for folder in folders
            if folder.is_dir()
            for path in sorted(folder.iterdir())
            if path.is_dir() and not path.name.startswith(".")
        ]
        if inner:
            raise DatalistError(
                f"{root}: folders within a class ({name_first(inner)}); put the images into the class's folder, and "
                "splits into lists/TBX11K_train.txt and lists/TBX11K_val.txt."
            )
        found = [("train", f"{folder.name}/{name}") for folder in folders for name in _films(folder)]
    strange = [name for _, name in found if not _is_film_name(name)]
    if strange:
        raise DatalistError(
            f"{root}: listed films whose name is not like tb/tb0005.png ({name_first(strange)}); "
            f"expected one of the folders {', '.join(CLASS_NAMES)} and a file name."
        )
    return found


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatalistError(f"{path}: cannot be read as text ({error}); expected one image a line.") from error


def _is_film_name(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return len(parts) == 2 and parts[0] in CLASS_NAMES and parts[1] != ".."


def _item(images: Path, name: str, split: str, num_classes: int, annotation: FilmAnnotation | None) -> DatalistItem:
    item = datalist_item(images / name, name, PurePosixPath(name).parts[0], split, num_classes)
    if item["class_name"] == "tb" and annotation is not None and annotation.boxes and item["size"] is not None:
        item["boxes"] = annotation.scaled_to(*item["size"])
        item["box_types"] = list(annotation.box_types)
    return item
