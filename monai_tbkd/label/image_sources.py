"""Where images come from: a folder, or the series of a DICOMweb server."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydicom import Dataset, dcmwrite

from monai_tbkd.data import ImageError
from monai_tbkd.data.readers.dicom_file import read_dicom_header
from monai_tbkd.data.readers.file_format import HEAD_BYTES, sniff_format
from monai_tbkd.data.readers.image_folder import list_images
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom.archive_answers import stored_instances
from monai_tbkd.label.image_ids import image_id, is_safe_id
from monai_tbkd.label.image_label import ImageLabel
from monai_tbkd.label.report_label import annotation_report

logger = logging.getLogger(__name__)

_SUFFIXES = {
    "png": ".png", "jpeg": ".jpg", "tiff": ".tif", "bmp": ".bmp", "dicom": ".dcm", "headless_dicom": ".dcm",
    "nifti": ".nii", "metaimage": ".mha", "nrrd": ".nrrd",
}  # fmt: skip
_VIEWER_SUFFIXES = {*_SUFFIXES.values(), ".jpeg", ".tiff", ".gz", ".dicom"}
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PAGE = 200
# What viewers need to open a series; neither names nor dates of patients are kept.
_INFO = ("Modality", "StudyInstanceUID", "SeriesInstanceUID", "RetrieveURL")


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

    def find(self, image_uid: str, series_uid: str) -> tuple[str, Path] | None:
        """Identifier and file of a DICOM image by its SOP instance UID; all headers are read once."""
        return self._by_uid.get(image_uid)

    @cached_property
    def _by_uid(self) -> dict[str, tuple[str, Path]]:
        found: dict[str, tuple[str, Path]] = {}
        for image in self.ids():
            path = self._images[image]
            try:
                with quiet_pydicom():
                    found.setdefault(str(read_dicom_header(path).get("SOPInstanceUID") or ""), (image, path))
            except ImageError:  # a picture, or damaged
                continue
        found.pop("", None)
        return found

    def add(self, image: str, file: Path) -> str:
        """Copy an uploaded image into the folder and return its identifier, or raise ValueError."""
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


class PacsSource:
    """The series of some modalities on a DICOMweb server; the identifier of an image is its series' UID.

    Images are fetched as DICOM: converted to NIfTI, as by MONAI Label's own store, they have lost their window, and
    MONOCHROME1 has been inverted or not, depending on the library. Each modality is asked for by itself, since not
    every server takes a list, and in pages, since servers end a long answer where they like.

    Args:
        client: ``dicomweb_client.DICOMwebClient``; None gives the images that were fetched before.
        folder: for fetched images, readable by this user alone.
        modalities: such as ``("DX", "CR")``.
        seconds: how long a listing is kept.
    """

    def __init__(self, client: Any, folder: Path, modalities: Sequence[str] = (), seconds: float = 10.0) -> None:
        self.client, self.folder, self.modalities, self.seconds = client, folder, tuple(modalities), seconds
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
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
        """The folder of a series' files, of any modality, fetched if it is not here yet; None without such a series."""
        if not (_UID.fullmatch(image) and len(image) <= 64):
            return None
        folder = self.folder / image
        if folder.is_dir():
            return folder
        info = self.info(image)
        if not info:
            return None
        part = Path(tempfile.mkdtemp(prefix=".fetch_", dir=self.folder))
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
        if image not in self._series and _UID.fullmatch(image) and self.client is not None:
            found = self._search({"SeriesInstanceUID": image})
            self._series.update({image: found[image]} if image in found else {})
        return dict(self._series.get(image, {}))

    def find(self, image_uid: str, series_uid: str) -> tuple[str, Path] | None:
        """Identifier and folder of an image by the UID of its series."""
        folder = self.path(series_uid)
        return None if folder is None else (series_uid, folder)

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
            logger.exception("%s: it gets no report", label.identifier)
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
