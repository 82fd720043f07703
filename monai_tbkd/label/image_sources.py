"""Images of a folder, by identifier."""

from __future__ import annotations

import logging
import os
import shutil
import time
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from monai_tbkd.data.readers.file_format import HEAD_BYTES, sniff_format
from monai_tbkd.data.readers.image_folder import list_images
from monai_tbkd.label.image_ids import image_id, is_safe_id

logger = logging.getLogger(__name__)

_SUFFIXES = {
    "png": ".png", "jpeg": ".jpg", "tiff": ".tif", "bmp": ".bmp", "dicom": ".dcm", "headless_dicom": ".dcm",
    "nifti": ".nii", "metaimage": ".mha", "nrrd": ".nrrd",
}  # fmt: skip
_VIEWER_SUFFIXES = {*_SUFFIXES.values(), ".jpeg", ".tiff", ".gz", ".dicom"}


class FolderSource:
    """The images of a folder and its sub-folders, of any format that the reader knows.

    Identifiers are `image_id` of the path under the folder. Links that lead out of the folder are left out.

    Args:
        folder: of images; it is made if it is not there.
        leave_out: a folder that is not looked into, since labels are kept in it.
        seconds: how long a listing is kept, if no unknown image is asked for.
    """

    def __init__(self, folder: Path, leave_out: Path, seconds: float = 10.0) -> None:
        self.folder, self.leave_out, self.seconds = folder, leave_out, seconds
        folder.mkdir(parents=True, exist_ok=True)
        self._images: dict[str, Path] = {}
        self._listed = float("-inf")

    def ids(self) -> list[str]:
        """Identifiers, in the natural order of names."""
        if time.monotonic() - self._listed > self.seconds:
            self._list()
        return list(self._images)

    def path(self, image: str) -> Path | None:
        """The file; None if there is no such image."""
        if is_safe_id(image) and image not in self._images:
            self._list()
        return self._images.get(image)

    def info(self, image: str) -> dict[str, Any]:
        """``name``: of the file, with a suffix by which viewers tell the format."""
        path = self.path(image)
        return {} if path is None else {"name": _with_suffix(image, path)}

    def add(self, image: str, file: Path) -> str:
        """Copy an uploaded image into the folder, and give its identifier.

        Raises:
            ValueError: the identifier is not safe or taken, or the file is not an image by its content.
        """
        if not image_suffix(file):
            raise ValueError("The upload is not a PNG, JPEG, TIFF, BMP, DICOM, NIfTI, MetaImage or NRRD file.")
        name = _with_suffix(image, file)
        if not is_safe_id(name):
            raise ValueError(f"The identifier {image!r} is not one of letters, digits, dots, hyphens and underscores.")
        target, part = self.folder / name, self.folder / f".{name}.part"
        with FileLock(self.folder / ".lock", poll_interval=0.01):  # two uploads of one name
            if target.exists():
                raise ValueError(f"There is an image {name} already; images are never replaced.")
            try:
                shutil.copyfile(file, part)
                part.rename(target)
            finally:
                part.unlink(missing_ok=True)
        self._listed = float("-inf")
        return image_id(name)

    def _list(self) -> None:
        try:
            listed = list_images(self.folder, leave_out=self.leave_out)
        except ValueError:  # nothing in it yet
            listed = []
        images: dict[str, Path] = {}
        root = os.path.realpath(self.folder)

        @cache
        def inside(path: Path) -> bool:
            return Path(os.path.realpath(path)).is_relative_to(root)

        for each in listed:
            identifier, path = image_id(each["name"]), Path(each["image"])
            if not inside(path.parent) or (path.is_symlink() and not inside(path)):
                logger.warning("%r: a link that leads out of the folder; it is left out.", each["name"])
            elif identifier in images:
                logger.warning("%s: its identifier %s is that of another image; it is left out.", each, identifier)
            else:
                images[identifier] = path
        self._images, self._listed = images, time.monotonic()


def image_suffix(path: Path) -> str:
    """The suffix of an image by its content; empty where it is none."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return ""
    kind = sniff_format(head)
    return ".nii.gz" if kind == "nifti" and head.startswith(b"\x1f\x8b") else _SUFFIXES.get(kind or "", "")


def _with_suffix(image: str, path: Path) -> str:
    return image if Path(image).suffix.lower() in _VIEWER_SUFFIXES else image + image_suffix(path)


def series_files(folder: Path) -> list[Path]:
    """The files of a DICOM series that was fetched."""
    return sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
