"""Files of a data set: images, folders, text and tables, and what lies there that nothing reads."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from monai_tbkd.data.files.outside_text import read_csv, read_text
from monai_tbkd.data.files.own_results import PHANTOM_RECIPE, is_result_folder, made_folders
from monai_tbkd.data.files.paths import absolute_path
from monai_tbkd.data.lists.datalist_error import DatalistError, name_first, refuse, refused_unless_read
from monai_tbkd.data.lists.datalist_item import DatalistItem
from monai_tbkd.data.lists.image_classes import is_split_word, plain_word
from monai_tbkd.data.readers.image_folder import image_stem, list_images

Parsed = TypeVar("Parsed")
Row = dict[str, str]

_TABLES = {".txt", ".csv", ".tsv", ".lst", ".json"}
_SPLIT_LISTS = {"split", "splits", "fold", "folds"}


def existing_folder(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a folder; a `DatalistError` where it is not there."""
    root = absolute_path(path)
    if not root.is_dir():
        raise DatalistError(f"{root}: there is no such folder; check dataset_dir.")
    return root


def images_in(folder: Path, recursive: bool = True) -> list[Path]:
    """List images of a folder as `list_images` does; none where there is no such folder."""
    try:
        return [Path(image["image"]) for image in list_images(folder, recursive)] if folder.is_dir() else []
    except ValueError:  # no image in it
        return []


def subfolders(folder: Path) -> list[Path]:
    """List folders of a folder, sorted, without hidden ones."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def files_below(root: Path, results: bool = True) -> Iterator[Path]:
    """Yield all files of a data set, but no hidden ones and nothing that this program drew; links are followed once.

    Without ``results``, whole folders that a run of this program wrote into are left out, and with them labels that lie
    there: only for what is looked for outside of the places where labels belong.
    """

    def refuse_locked(error: OSError) -> None:
        raise DatalistError(f"{error.filename}: cannot be opened ({error.strerror}); check its permissions.") from error

    seen = set()
    for folder, inner, files in os.walk(root, onerror=refuse_locked, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        made = made_folders(files, inner)
        shown = [name for name in sorted(inner) if not name.startswith(".") and name not in made]
        inner[:] = [name for name in shown if results or not is_result_folder(Path(folder, name))]
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))


class ImagesByName:
    """Images by their names in tables and annotations, which still hold where an image was saved in another format.

    Attributes:
        several: names that stand for several images, in sentences.
    """

    def __init__(self, root: Path, images: Iterable[Path]) -> None:
        self.several: dict[str, None] = {}
        self._by_last_part: dict[str, list[str]] = defaultdict(list)
        for path in images:
            self._by_last_part[image_stem(path.name)].append(path.relative_to(root).as_posix())

    def of_stem(self, stem: str) -> list[str]:
        """List images, by path under the root, whose path ends in ``stem`` and the suffix of any format."""
        alike = self._by_last_part.get(stem.rpartition("/")[2], [])
        return [each for each in alike if f"/{image_stem(each)}".endswith(f"/{stem}")]

    def find(self, name: str) -> str | None:
        """Find the image whose path ends in a name, or else one of another format."""
        alike = self.of_stem(image_stem(name))
        found = [each for each in alike if f"/{each}".endswith(f"/{name}")] or alike
        if len(found) > 1:
            self.several[f"{name} is {' and '.join(found)}"] = None
        return found[0] if found else None


def text_lines(path: Path) -> list[str]:
    """Read the lines of a text file, stripped, without blank ones."""
    with refused_unless_read(path, "cannot be read as text", "expected one image a line"):
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def table_rows(path: Path) -> tuple[list[str], list[Row]]:
    """Read the columns and rows of a CSV file."""
    with refused_unless_read(path, "cannot be read as a UTF-8 CSV file", "check the path"):
        return read_csv(path)


def parsed_rows(table: Path, rows: Iterable[Row], parse: Callable[[Row], Parsed]) -> list[Parsed]:
    """Parse the rows of a table; those for which `parse` raises a ValueError are refused together."""
    parsed, faults = [], []
    for number, row in enumerate(rows, start=2):
        try:
            parsed.append(parse(row))
        except ValueError as error:
            faults.append(f"row {number} {error}")
    refuse(table, "rows that cannot be understood", faults, "fix them")
    return parsed


def unlabeled_images(source: str | os.PathLike[str] | Sequence[str] | None) -> list[dict[str, str]]:
    """List images that have no label, with ``image`` (absolute path) and ``name``.

    The source is a folder, a ``.txt`` file with one path a line, a list of paths, or None for none.
    """
    if isinstance(source, (str, os.PathLike)):
        if Path(source).suffix.lower() != ".txt":
            return list_images(source)
        source = text_lines(Path(source))
    return [{"image": str(absolute_path(path)), "name": Path(path).name} for path in source or []]


def image_origins(items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count the images that the phantom command drew: ``{"phantom": ..., "other": ...}``.

    A phantom data set is known by the ``phantom.json`` in it, at most two folders above an image.
    """
    counts = Counter(Path(str(item["image"])).parent for item in items)
    phantom = sum(
        count
        for folder, count in counts.items()
        if any((each / PHANTOM_RECIPE).is_file() for each in (folder, *folder.parents)[:3])
    )
    return {"phantom": phantom, "other": counts.total() - phantom}


def unlisted_images(source: str | os.PathLike[str], items: Sequence[DatalistItem]) -> list[str]:
    """Find images that no list, row or class folder names, by path under the data set's folder.

    Looked into are the folders of the items and those above them, up to the data set's own; not their other
    sub-folders.
    """
    root = absolute_path(source)
    root = root if root.is_dir() else root.parent
    known = {item["image"] for item in items}
    folders = {Path(image).parent for image in known}
    above = {each for folder in folders for each in folder.parents if each.is_relative_to(root)}
    found = [
        path for folder in folders | above for path in images_in(folder, recursive=False) if str(path) not in known
    ]
    return sorted((path.relative_to(root) if path.is_relative_to(root) else path).as_posix() for path in found)


def unread_splits(source: str | os.PathLike[str], layout: str, items: Sequence[DatalistItem] = ()) -> str | None:
    """Say which files look like lists of splits (``val.txt``, ``split.csv``) in a layout that reads none, if any do.

    Nothing is looked for in layouts but ``class_folders``, ``manifest`` and ``yolo``. With ``yolo``, lists that a YAML
    file names are read, and all is well with several splits.
    """
    root = absolute_path(source)
    if layout not in ("class_folders", "manifest", "yolo") or not root.is_dir():
        return None
    if layout == "yolo" and len({item["split"] for item in items}) > 1:
        return None
    files = [path for path in sorted(root.iterdir()) if path.is_file()]
    settings = [path for path in files if layout == "yolo" and path.suffix.lower() in (".yaml", ".yml")]
    read = "".join(path.read_bytes().replace(b"\0", b"").decode(errors="ignore") for path in settings)
    names = [
        path.name
        for path in files
        if path.suffix.lower() in _TABLES
        and (is_split_word(path.stem) or _SPLIT_LISTS.intersection(plain_word(path.stem).split("_")))
        and path.name not in read
    ]
    if not names:
        return None
    return (
        f"{source}: lists of splits that are not read ({name_first(names)}); put the images into folders train, "
        "val and test, or name the splits in data.yaml (YOLO) or manifest.csv (columns image, label, split)."
    )
