"""Data sets whose images say their class by their name: NLM's Shenzhen and Montgomery, and New Delhi's DA and DB."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.data.lists.datalist_error import refuse, refused_unless_read
from monai_tbkd.data.lists.datalist_item import DatalistItem, datalist_item
from monai_tbkd.data.lists.dataset_files import existing_folder, files_below, images_in, table_rows
from monai_tbkd.data.lists.image_classes import class_of, plain_word, split_of
from monai_tbkd.data.lists.lesion_polygons import Lesions, add_polygons, read_polygons
from monai_tbkd.data.readers.image_folder import image_stem

_NAMES = {
    "nlm": re.compile(r"(?P<set>CHN|MCU)CXR_(?P<number>\d+)_(?P<label>[01])", re.IGNORECASE),
    "da_db": re.compile(
        r"(?:(?P<set>d[ab])_)?(?:(?P<split>train|test)_)?(?P<label>[np])x?_?(?P<number>\d+)", re.IGNORECASE
    ),
}
_EXAMPLES = {"nlm": "CHNCXR_0001_0.png or MCUCXR_0001_0.png", "da_db": "px1.jpg or nx1.jpg"}
_NOT_IMAGES = re.compile("mask|annotation", re.IGNORECASE)
_AGE = re.compile(r"(\d+)\s*(y|m(?!m)|d)", re.IGNORECASE)
_YEARS = {"y": 1.0, "m": 1 / 12, "d": 1 / 365.25}
_SEX = re.compile(r"\b(fe)?mal|sex\W+([fm])", re.IGNORECASE)


def load_nlm(root: str | os.PathLike[str]) -> list[DatalistItem]:
    """Read the Shenzhen or the Montgomery set of the National Library of Medicine as downloaded, or both in one folder.

    The last digit of ``CXR_png/CHNCXR_0001_0.png`` is the label. Age, sex and finding come from ``ClinicalReadings``,
    or from a ``*metadata*.csv`` with the columns ``study_id`` and ``findings``; a reading that names another image is
    of the same patient. TB findings that Yang et al. outlined (VIA's JSON in ``Annotations``, in pixels of the image)
    become polygons and boxes, for scoring. Masks (``ManualMask``, ``*_mask.png``) are no images. `root` may be
    ``CXR_png`` itself.

    Returns:
        Data list items, all of train, with ``source`` (shenzhen or montgomery), ``patient_id`` and, where known,
        ``age`` in years, ``sex`` (F or M), ``finding``, ``polygons`` and ``lung_masks``, paths.

    Raises:
        DatalistError: no such folder, an image of another name or there twice, or annotations that cannot be read.
    """
    root = existing_folder(root)
    matches = _matches(root, "nlm")
    stems = [match.group().upper() for _, _, match in matches]
    twice = [stem for stem, count in Counter(stems).items() if count > 1]
    refuse(root, "images that are there twice", twice, "keep one of each")
    beside = root.parent if root.name.lower() == "cxr_png" else root
    files = [(path, path.relative_to(beside)) for path in sorted(files_below(beside))]
    lesions, masks, readings = _lesions(files), _lung_masks(files), _readings(files)
    patients = _patients(stems, readings)
    items = []
    for (path, name, match), stem in zip(matches, stems, strict=True):
        item = datalist_item(path, name, "tb" if match["label"] == "1" else "health", "train")
        item |= {"source": {"chn": "shenzhen", "mcu": "montgomery"}[match["set"].lower()], "patient_id": patients[stem]}
        item |= _facts(readings.get(stem, ""))
        if stem in masks:
            item["lung_masks"] = masks[stem]
        add_polygons(item, lesions.get(stem))
        items.append(item)
    return items


def load_da_db(root: str | os.PathLike[str]) -> list[DatalistItem]:
    """Read the sets DA and DB of Chauhan et al. (PLoS ONE 2014): ``px1.jpg`` has TB, ``nx1.jpg`` has none.

    Folders ``Training`` and ``Testing``, or names like ``da_train_px1.jpg``, are splits. ``source`` is db where a name
    starts with ``db_`` or a folder is called like it (``DatasetB``); otherwise da.

    Raises:
        DatalistError: no such folder, or an image of another name.
    """
    root = existing_folder(root)
    items = []
    for path, name, match in _matches(root, "da_db"):
        folders = [root.name, *Path(name).parts[:-1]]
        split = next((s for s in map(split_of, (match["split"] or "", *reversed(folders[1:]))) if s), "train")
        words = {plain_word(each).replace("_", "") for each in (match["set"] or "", *folders)}
        source = "db" if words & {"db", "datasetb"} else "da"
        class_name = "tb" if match["label"].lower() == "p" else "health"
        items.append({**datalist_item(path, name, class_name, split), "source": source})
    return items


def named_layout(root: Path) -> str | None:
    """``"nlm"`` or ``"da_db"`` where every image of a folder is called so and no folder says a class, else None."""
    names = [name for _, name in _images(root)]
    if not names or any(class_of(part) for name in names for part in Path(name).parts[:-1]):
        return None
    return next((key for key, form in _NAMES.items() if all(_match(form, name) for name in names)), None)


def _images(root: Path) -> list[tuple[Path, str]]:
    """Images that are no masks, with their path under the root."""
    named = [(path, path.relative_to(root)) for path in images_in(root)]
    return [
        (path, inner.as_posix())
        for path, inner in named
        if not any(map(_NOT_IMAGES.search, (*inner.parts[:-1], image_stem(inner.name))))
    ]


def _match(form: re.Pattern[str], name: str) -> re.Match[str] | None:
    return form.fullmatch(image_stem(Path(name).name))


def _matches(root: Path, layout: str) -> list[tuple[Path, str, re.Match[str]]]:
    images = [(path, name, _match(_NAMES[layout], name)) for path, name in _images(root)]
    strange = [name for _, name, match in images if match is None]
    fix = "their class is not known, so take them out or name another layout"
    refuse(root, f"images that are not called like {_EXAMPLES[layout]}", strange, fix)
    return [(path, name, match) for path, name, match in images if match is not None]


_Files = Sequence[tuple[Path, Path]]  # each with its path under the data set


def _lesions(files: _Files) -> dict[str, Lesions]:
    """Outlines by stem: of the file that has all images, or else of the files of the first folder with such files."""
    own = [path for path, inner in files if path.suffix.lower() == ".json" and "annotation" in str(inner).lower()]
    whole = [path for path in own if "allinone" in path.name.lower()][:1]
    found: dict[str, Lesions] = {}
    for path in whole or [path for path in own if path.parent == own[0].parent]:
        found |= {image_stem(name).upper(): lesions for name, lesions in read_polygons(path).items()}
    return found


def _lung_masks(files: _Files) -> dict[str, list[str]]:
    found = defaultdict(list)
    for path, inner in files:
        folders = " ".join(inner.parts[:-1]).lower()
        stem = path.stem.upper().removesuffix("_MASK")
        in_masks = path.suffix.lower() == ".png" and "mask" in folders and "annotation" not in folders
        if in_masks and _NAMES["nlm"].fullmatch(stem):
            found[stem].append(str(path))
    return found


def _readings(files: _Files) -> dict[str, str]:
    """The clinical reading of each image; a text goes before a row."""
    rows: dict[str, str] = {}
    texts: dict[str, str] = {}
    for path, _ in files:
        if path.suffix.lower() == ".csv" and "metadata" in path.name.lower():
            for row in table_rows(path)[1]:
                if "study_id" in row:
                    sex = row.get("sex") or row.get("gender") or ""
                    rows[image_stem(row["study_id"]).upper()] = f"sex: {sex} {row.get('age')}y\n{row.get('findings')}"
        elif path.suffix.lower() == ".txt" and path.parent.name.lower() == "clinicalreadings":
            with refused_unless_read(path, "a reading that cannot be read as text", "copy the file again"):
                texts[path.stem.upper()] = read_text(path)
    return rows | texts


def _patients(stems: Iterable[str], readings: dict[str, str]) -> dict[str, str]:
    """The patient of each image: the first of those that readings say to be one person's."""
    patient = {stem: stem for stem in stems}
    for stem in sorted(patient):
        for match in _NAMES["nlm"].finditer(readings.get(stem, "")):
            if (other := match.group().upper()) in patient:
                low, high = sorted((patient[stem], patient[other]))
                patient.update({each: low for each, own in patient.items() if own == high})
    return patient


def _facts(reading: str) -> dict[str, Any]:
    """Age in years, sex and finding, as far as a reading says them: age and sex in its first lines."""
    lines = [line.strip() for line in reading.splitlines() if line.strip()]
    head = [line for line in lines[:2] if _AGE.search(line) or _SEX.search(line)]
    age, sex = _AGE.search(" ".join(head)), _SEX.search(" ".join(head))
    facts: dict[str, Any] = {}
    if age:
        facts["age"] = round(int(age[1]) * _YEARS[age[2].lower()], 2)
    if sex:
        facts["sex"] = sex[2].upper() if sex[2] else "F" if sex[1] else "M"
    if finding := " ".join(lines[len(head) :]):
        facts["finding"] = finding
    return facts
