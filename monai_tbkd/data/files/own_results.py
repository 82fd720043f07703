"""Tell what this program has drawn and written from images: by marks in the files and by folders of results."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin
from pydicom import Dataset

MANUFACTURER = "monai_tbkd"
MODEL_NAME = "cxr_tuberculosis_localization"
DICOM_RESULTS = ("sr", "seg_map", "seg_boxes", "sc", "gsps")
"""Kinds of DICOM results; also their files' names."""

PHANTOM_RECIPE = "phantom.json"
"""Written with a phantom data set, which is known by it."""

_MARK = "monai_tbkd: a result, not an image to score"
_MARK_WITHIN = 4096
_TABLES = {"predictions.csv", "predictions.json"}
# beside one of these files, what is in these folders was drawn or made by this program
_MADE = [
    (_TABLES, {"overlays", "image_reports"}),
    ({"metrics.json"}, {"comparison"}),
    ({PHANTOM_RECIPE}, {"lung_fields"}),
]


def save_marked(picture: Image.Image, path: Path, file_format: str, **options: Any) -> None:
    """Save a drawn picture as ``"PNG"`` or ``"JPEG"``, so that it is never taken for an image to score."""
    marks = PngImagePlugin.PngInfo()
    marks.add_text("Software", _MARK)
    picture.save(path, file_format, **({"pnginfo": marks} if file_format == "PNG" else {"comment": _MARK}), **options)


def is_marked(content: bytes) -> bool:
    """Whether `save_marked` wrote a file of this content."""
    return _MARK.encode() in content[:_MARK_WITHIN]


def is_own_result(dataset: Dataset) -> bool:
    """Whether a DICOM data set, or a query's answer, is a result of this program and not an image."""
    maker = str(dataset.get("Manufacturer") or "").strip()
    return maker == MANUFACTURER and str(dataset.get("ManufacturerModelName") or "").strip() in ("", MODEL_NAME)


def made_folders(files: Collection[str], folders: Collection[str]) -> list[str]:
    """Of the names of a folder's files and folders: those folders that hold nothing but results.

    Example:
        >>> made_folders(["predictions.csv"], ["day1", "overlays"])
        ['overlays']
    """
    made = {name for signs, names in _MADE if signs & set(files) for name in names}
    made |= {"labels"} if "label_info" in folders else set()  # masks and boxes of the label server
    made |= {"thumbnails"} if any(name.endswith(".html") for name in files) else set()  # pages that were moved
    return [name for name in folders if name in made]


def made_files(folder: Path) -> set[str]:
    """Names of the results in a folder of DICOM results; else none."""
    if folder.parent.name != "dicom" or not any((folder.parent.parent / name).is_file() for name in _TABLES):
        return set()
    return {f"{kind}.dcm" for kind in DICOM_RESULTS}


def is_result_folder(folder: Path) -> bool:
    """Whether a run of this program has written its results into a folder."""
    signs = (*_TABLES, "metrics.json", "robustness.json", "tensorboard")
    return any((folder / name).exists() for name in signs)
