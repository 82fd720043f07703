"""The films of a store by the UIDs that reports name them by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monai_tbkd.data import FilmError
from monai_tbkd.data.readers.dicom_file import read_dicom_header
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.label.film_ids import is_safe_id
from monai_tbkd.label.film_sources import FilmSource
from monai_tbkd.label.report_intake import FindFilm


def films_of_folder(source: FilmSource) -> FindFilm:
    """Find films of a folder by their SOP instance UIDs.

    Args:
        source: of the folder; all its headers are read once.

    Returns:
        A function as `ReportIntake` wants it.
    """
    by_uid: dict[str, tuple[str, Path]] = {}
    for film in source.ids():
        path = source.path(film)
        if path is not None and (uid := _uid(path)):
            by_uid.setdefault(uid, (film, path))
    return lambda film_uid, series_uid: by_uid.get(film_uid)


def films_of_series(folder_of: Callable[[str], Path | None]) -> FindFilm:
    """Find films that are kept by their series, as those of a PACS are.

    Args:
        folder_of: gives the folder of a series, or None.

    Returns:
        A function as `ReportIntake` wants it.
    """

    def find(film_uid: str, series_uid: str) -> tuple[str, Path] | None:
        folder = folder_of(series_uid) if is_safe_id(series_uid) else None
        return None if folder is None or not folder.is_dir() else (series_uid, folder)

    return find


def _uid(path: Path) -> str:
    try:
        with quiet_pydicom():
            return str(read_dicom_header(path).get("SOPInstanceUID") or "")
    except FilmError:  # a picture, or damaged
        return ""
