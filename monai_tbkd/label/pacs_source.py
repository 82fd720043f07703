"""Images of a DICOMweb server."""

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

from monai_tbkd.dicom.archive_answers import stored_instances
from monai_tbkd.label.image_label import ImageLabel
from monai_tbkd.label.report_label import annotation_report

logger = logging.getLogger(__name__)

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PAGE = 200
# What viewers need to open a series; neither names nor dates of patients are kept.
_INFO = ("Modality", "StudyInstanceUID", "SeriesInstanceUID", "RetrieveURL")


class PacsSource:
    """The series of some modalities on a DICOMweb server; the identifier of an image is its series' UID.

    Images are fetched as DICOM: converted to NIfTI, as by MONAI Label's own store, they have lost their window, and
    MONOCHROME1 has been inverted or not, depending on the library. Each modality is asked for by itself, since not
    every server takes a list, and in pages, since servers end a long answer where they like.

    Args:
        client: ``dicomweb_client.DICOMwebClient``.
        cache: folder for fetched images, readable by this user alone.
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
            found = [self._search({"Modality": modality}) for modality in self.modalities]
            self._series = {uid: info for each in found for uid, info in each.items()}
            self._listed = time.monotonic()
        return sorted(self._series)

    def path(self, image: str) -> Path | None:
        """The folder of the series' files, fetched if it is not here yet; None if there is no such series.

        A series of another modality is fetched as well; the reader says what it is.
        """
        if not (_UID.fullmatch(image) and len(image) <= 64):
            return None
        folder = self.cache / image
        if folder.is_dir():
            return folder
        info = self.info(image)
        if not info:
            return None
        part = Path(tempfile.mkdtemp(prefix=".fetch_", dir=self.cache))
        try:
            instances = _of_series(self.client.retrieve_series(info["StudyInstanceUID"], image), info)
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

    def info(self, image: str) -> dict[str, Any]:
        """Modality and the UIDs by which viewers ask for the series."""
        if image not in self._series and _UID.fullmatch(image):
            found = self._search({"SeriesInstanceUID": image})
            self._series.update({image: found[image]} if image in found else {})
        return dict(self._series.get(image, {}))

    def add(self, image: str, file: Path) -> str:
        """Refuse an upload."""
        raise ValueError("Images are not uploaded through this server; send them to the PACS.")

    def send_report(self, label: ImageLabel) -> dict[str, Any]:
        """Store a label as a report, and check that it is stored.

        A server answers a request to store in many ways, of which only one says that it is stored: the report's own UID
        among the stored instances. Where it is not there, the server is asked for the report.

        Returns:
            The note on the label: ``report``, ``sent`` or ``not sent``, with the report's UID or the kind of fault.
        """
        try:
            report = annotation_report(label)
        except Exception as error:
            logger.exception("A label gets no report")
            return {"report": "not sent", "report_fault": type(error).__name__}
        uid = str(report.SOPInstanceUID)
        try:
            stored = stored_instances(self.client.store_instances([report]).to_json_dict())
            if uid not in stored:
                series = report.StudyInstanceUID, report.SeriesInstanceUID
                found = self.client.search_for_instances(*series, search_filters={"SOPInstanceUID": uid})
                stored = {str(Dataset.from_json(each).get("SOPInstanceUID")) for each in found}
        except Exception as error:  # of requests, dicomweb_client or pydicom; the label is kept all the same
            logger.error("A report was not sent (%s)", type(error).__name__)
            return {"report": "not sent", "report_fault": type(error).__name__}
        if uid in stored:
            return {"report": "sent", "report_sop_instance_uid": uid}
        logger.error("A report was not stored: the server answers without saying that it is, and does not have it")
        return {"report": "not sent", "report_fault": "NOT_STORED"}

    def _search(self, filters: dict[str, str]) -> dict[str, dict[str, Any]]:
        """Series by their UIDs."""
        found: dict[str, dict[str, Any]] = {}
        seen: set[str] = set()
        while True:
            page = self.client.search_for_series(
                search_filters=filters, limit=_PAGE, offset=len(seen), fields=["StudyInstanceUID", "Modality"]
            )
            before = len(seen)
            for each in map(Dataset.from_json, page):
                info = {key: str(each[key].value) for key in _INFO if each.get(key)}
                uid = info.get("SeriesInstanceUID", "")
                seen.add(uid)
                if _UID.fullmatch(uid) and "StudyInstanceUID" in info:
                    found[uid] = info
            if len(seen) == before or len(page) < _PAGE:  # the end, or a server that knows no offset
                return found


def _of_series(instances: Iterable[Dataset], info: dict[str, Any]) -> list[Dataset]:
    """The instances of the series that was asked for; a server or a proxy may send others."""
    found: dict[str, Dataset] = {}
    for each in instances:
        uid = str(each.get("SOPInstanceUID") or "")
        if uid and all(each.get(key) == info[key] for key in ("StudyInstanceUID", "SeriesInstanceUID")):
            found.setdefault(uid, each)
        else:
            logger.error("The DICOMweb server sent an image of another series than was asked for; it is left out.")
    return list(found.values())
