"""Films of a DICOMweb server."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmwrite

logger = logging.getLogger(__name__)

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PAGE = 200
# What viewers need to open a series; neither names nor dates of patients are kept.
_INFO = ("Modality", "StudyInstanceUID", "SeriesInstanceUID", "RetrieveURL")


class PacsSource:
    """The series of some modalities on a DICOMweb server; the identifier of a film is its series' UID.

    Films are fetched as DICOM, as they are: converted to NIfTI, as MONAI Label's own store does by default, they have
    lost their window, and MONOCHROME1 has been inverted on the way or not, depending on the library.

    Each modality is asked for by itself, since not every server takes a list, and in pages, since servers end a long
    answer where they like.

    Args:
        client: ``dicomweb_client.DICOMwebClient``.
        cache: folder for fetched films, readable by this user alone.
        modalities: such as ``("DX", "CR")``.
        seconds: how long a listing is kept.
    """

    def __init__(self, client: Any, cache: Path, modalities: Sequence[str], seconds: float = 10.0) -> None:
        self.client, self.cache, self.modalities, self.seconds = client, cache, tuple(modalities), seconds
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._series: dict[str, dict[str, Any]] = {}
        self._listed = float("-inf")

    def ids(self) -> list[str]:
        """UIDs of all series, sorted."""
        if time.monotonic() - self._listed > self.seconds:
            series = [each for modality in self.modalities for each in self._search({"Modality": modality})]
            self._series, self._listed = self._by_uid(series), time.monotonic()
        return sorted(self._series)

    def path(self, film: str) -> Path | None:
        """The folder of the series' files, fetched if it is not here yet.

        A series of another modality that is asked for by its UID is fetched as well; the reader says what it is.
        """
        if not (_UID.fullmatch(film) and len(film) <= 64):
            return None
        folder = self.cache / film
        if folder.is_dir():
            return folder
        info = self._info(film)
        if not info:
            return None
        part = Path(tempfile.mkdtemp(prefix=".fetch_", dir=self.cache))
        try:
            instances = _of_series(self.client.retrieve_series(info["StudyInstanceUID"], film), info)
            for number, instance in enumerate(instances, start=1):
                dcmwrite(part / f"{number:04d}.dcm", instance, enforce_file_format=True)
            if not instances:
                return None
            part.rename(folder)
        except FileExistsError:  # another process was faster
            pass
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return folder

    def info(self, film: str) -> dict[str, Any]:
        """Modality and the UIDs by which viewers ask for the series."""
        return self._info(film) if _UID.fullmatch(film) else {}

    def add(self, film: str, file: Path) -> str:
        """Films come into a PACS by its own ways.

        Raises:
            ValueError: always.
        """
        raise ValueError("Films are not uploaded through this server; send them to the PACS.")

    def refresh(self) -> None:
        """Ask the server at the next question."""
        self._listed = float("-inf")

    def _info(self, film: str) -> dict[str, Any]:
        if film not in self._series:
            found = self._by_uid(self._search({"SeriesInstanceUID": film}))
            if film in found:
                self._series[film] = found[film]
        return dict(self._series.get(film, {}))

    def _search(self, filters: dict[str, str]) -> Iterable[Dataset]:
        found: dict[str, Dataset] = {}
        while True:
            page = self.client.search_for_series(
                search_filters=filters, limit=_PAGE, offset=len(found), fields=["StudyInstanceUID", "Modality"]
            )
            new = {}
            for each in page:
                series = Dataset.from_json(each)
                new[str(series.get("SeriesInstanceUID", ""))] = series
            if not new.keys() - found.keys():  # the end, or a server that knows no offset
                return found.values()
            found |= new
            if len(page) < _PAGE:
                return found.values()

    def _by_uid(self, series: Iterable[Dataset]) -> dict[str, dict[str, Any]]:
        found = {}
        for each in series:
            info = {key: str(each[key].value) for key in _INFO if each.get(key)}
            uid = info.get("SeriesInstanceUID", "")
            if _UID.fullmatch(uid) and "StudyInstanceUID" in info:
                found[uid] = info
        return found


def _of_series(instances: Iterable[Dataset], info: dict[str, Any]) -> list[Dataset]:
    """The instances that are what was asked for; a server or a proxy may send others."""
    found: dict[str, Dataset] = {}
    for each in instances:
        uid = str(each.get("SOPInstanceUID") or "")
        if uid and all(each.get(key) == info[key] for key in ("StudyInstanceUID", "SeriesInstanceUID")):
            found.setdefault(uid, each)
        else:
            logger.error("The DICOMweb server sent an image of another series than was asked for; it is left out.")
    return list(found.values())
