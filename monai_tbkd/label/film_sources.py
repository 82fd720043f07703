"""Where films come from: a folder."""

from __future__ import annotations

import logging
import os
import shutil
import time
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from monai_tbkd.data.film_folder import list_films
from monai_tbkd.data.readers.file_format import HEAD_BYTES, sniff_format
from monai_tbkd.label.film_ids import film_id, is_safe_id

logger = logging.getLogger(__name__)

_SUFFIXES = {
    "png": ".png", "jpeg": ".jpg", "tiff": ".tif", "bmp": ".bmp", "dicom": ".dcm", "headless_dicom": ".dcm",
    "nifti": ".nii", "metaimage": ".mha", "nrrd": ".nrrd",
}  # fmt: skip


class FilmSource(Protocol):
    """Films by identifier."""

    def ids(self) -> list[str]:
        """Identifiers of all films."""

    def path(self, film: str) -> Path | None:
        """Where the film is, a file or a folder of DICOM files; None if there is no such film."""

    def info(self, film: str) -> dict[str, Any]:
        """What viewers need to know of a film to open it; no patient data."""

    def add(self, film: str, file: Path) -> str:
        """Take in a film.

        Raises:
            ValueError: it is not taken.
        """

    def refresh(self) -> None:
        """Look anew at the next question."""


class FolderSource:
    """The films of a folder and its sub-folders, of any format that the reader knows.

    Identifiers are `film_id` of the path under the folder. The folder is walked anew when it was last walked more than
    `seconds` ago, and for a film that is not known yet. Links that lead out of the folder are left out.

    Args:
        folder: of films; it is made if it is not there.
        leave_out: a folder that is not looked into, since labels are kept in it.
        seconds: how long a listing is kept.
    """

    def __init__(self, folder: Path, leave_out: Path, seconds: float = 10.0) -> None:
        self.folder, self.leave_out, self.seconds = folder, leave_out, seconds
        folder.mkdir(parents=True, exist_ok=True)
        self._films: dict[str, Path] = {}
        self._listed = float("-inf")

    def ids(self) -> list[str]:
        """Identifiers, in the natural order of names."""
        if time.monotonic() - self._listed > self.seconds:
            self._list()
        return list(self._films)

    def path(self, film: str) -> Path | None:
        """The file."""
        if not is_safe_id(film):
            return None
        if film not in self._films:
            self._list()
        return self._films.get(film)

    def info(self, film: str) -> dict[str, Any]:
        """``name``: of the file, with a suffix that viewers tell the format by."""
        path = self.path(film)
        if path is None:
            return {}
        return {"name": film if Path(film).suffix.lower() in _VIEWER_SUFFIXES else film + film_suffix(path)}

    def add(self, film: str, file: Path) -> str:
        """Copy an uploaded film into the folder.

        Raises:
            ValueError: the identifier is not safe or taken, or the file is not a film by its content.
        """
        suffix = film_suffix(file)
        if not suffix:
            raise ValueError("The upload is not a PNG, JPEG, TIFF, BMP, DICOM, NIfTI, MetaImage or NRRD file.")
        name = film if Path(film).suffix.lower() in _VIEWER_SUFFIXES else film + suffix
        if not is_safe_id(name):
            raise ValueError(f"The identifier {film!r} is not one of letters, digits, dots, hyphens and underscores.")
        target = self.folder / name
        part = target.with_name(f".{name}.part")
        with FileLock(self.folder / ".lock", poll_interval=0.01):  # two uploads of one name
            if target.exists():
                raise ValueError(f"There is a film {name} already; films are never replaced.")
            try:
                shutil.copyfile(file, part)
                part.rename(target)
            finally:
                part.unlink(missing_ok=True)
        self.refresh()
        return film_id(name)

    def refresh(self) -> None:
        """Walk the folder at the next question."""
        self._listed = float("-inf")

    def _list(self) -> None:
        try:
            listed = list_films(self.folder, leave_out=self.leave_out)
        except ValueError:
            # Nothing in it yet. What else can be wrong was seen at the start.
            listed = []
        films: dict[str, Path] = {}
        root = os.path.realpath(self.folder)

        @cache
        def inside(path: Path) -> bool:
            return Path(os.path.realpath(path)).is_relative_to(root)

        for each in listed:
            identifier = film_id(each["name"])
            path = Path(each["image"])
            if not inside(path.parent) or (path.is_symlink() and not inside(path)):
                logger.warning("%r: a link that leads out of the folder; it is left out.", each["name"])
            elif identifier in films:
                logger.warning("%s: its identifier %s is that of another film; it is left out.", each, identifier)
            else:
                films[identifier] = path
        self._films, self._listed = films, time.monotonic()


_VIEWER_SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".nii", ".gz", ".mha", ".nrrd", ".dicom",
}  # fmt: skip


def film_suffix(path: Path) -> str:
    """The suffix of an image by its content; empty where it is none."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return ""
    kind = sniff_format(head)
    if kind == "nifti" and head.startswith(b"\x1f\x8b"):
        return ".nii.gz"
    return _SUFFIXES.get(kind or "", "")
