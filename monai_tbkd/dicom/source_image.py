"""Header of the image that results refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydicom import Dataset
from pydicom.multival import MultiValue

from monai_tbkd.data.readers.dicom import turn_to_upright
from monai_tbkd.data.readers.dicom_elements import spacing_of
from monai_tbkd.data.readers.dicom_file import read_dicom_header
from monai_tbkd.data.readers.dicom_rules import patient_orientation
from monai_tbkd.data.readers.image_turn import ImageTurn
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.data.readers.reason_codes import ImageError

_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# Patient and study are copied after an object is built, since the builder validates, and in part logs, its input.
_IMAGE = (
    "Rows", "Columns", "Modality", "Manufacturer", "ManufacturerModelName", "SoftwareVersions", "DeviceSerialNumber",
    "InstitutionName", "StationName",
)  # fmt: skip
_PATIENT_AND_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
_MOST = 10  # largest credible ratio of a pixel's sides


class DicomResultError(ValueError):
    """DICOM results cannot be made for this image; the message says why, and holds no patient data."""


@dataclass(frozen=True)
class SourceImage:
    """A DICOM image without its pixels: the file, which is only read, and its header.

    Its properties raise a `DicomResultError` where an element cannot be read.
    """

    path: Path
    header: Dataset

    @classmethod
    def read(cls, path: str | Path) -> SourceImage:
        """Read the header of a DICOM file, with or without a meta header.

        Raises:
            DicomResultError: it is no DICOM file, or lacks what a result has to refer to.
        """
        path = Path(path)
        try:
            header = read_dicom_header(path)
        except ImageError as error:
            raise DicomResultError(f"the image is no DICOM file that can be referred to ({error.reason})") from error
        return cls.of(header, path)

    @classmethod
    def of(cls, header: Dataset, path: str | Path = "") -> SourceImage:
        """Take a data set, with or without pixels, and its file, if there is one.

        Raises:
            DicomResultError: it lacks what a result has to refer to.
        """
        with faults_named():
            lacking = [key for key in _UIDS if not re.fullmatch(r"[0-9.]{1,64}", str(header.get(key) or ""))]
            lacking += [key for key in ("Rows", "Columns") if not header.get(key)]
        if lacking:
            raise DicomResultError(f"the image lacks {', '.join(lacking)}, which its results have to refer to")
        return cls(Path(path), header)

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns) as stored."""
        return int(self.header.Rows), int(self.header.Columns)

    @property
    def turn(self) -> ImageTurn:
        """The turn from the stored pixels to the upright image."""
        with faults_named():
            return turn_to_upright(self.header)

    @property
    def uid(self) -> str:
        """SOP instance UID."""
        return str(self.header.SOPInstanceUID)

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """(between rows, between columns) in the patient, None where the image does not say."""
        with faults_named():
            return spacing_of(self.header, "PixelSpacing")

    @property
    def row_height(self) -> float:
        """Height of a stored pixel divided by its width; 1 if unknown or not credible."""
        with faults_named():
            for key in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
                value = self.header.get(key)
                if isinstance(value, MultiValue) and len(value) == 2:
                    rows, columns = (float(each or 0) for each in value)
                    if rows > 0 and columns > 0:
                        return rows / columns if 1 / _MOST <= rows / columns <= _MOST else 1.0
            return 1.0

    @property
    def orientation(self) -> tuple[str, str] | None:
        """Direction in the patient of the stored rows and columns, None where the image has no proper one."""
        with faults_named():
            return patient_orientation(self.header)

    @cached_property
    def bare(self) -> Dataset:
        """What results are built from: identifiers and elements of the image, with patient and study empty."""
        bare = Dataset()
        with faults_named():
            for key in (*_UIDS, *_IMAGE):
                if self.header.get(key) not in (None, ""):
                    bare[key] = deepcopy(self.header[key])
        bare.PatientOrientation = list(self.orientation) if self.orientation else None
        for key in _PATIENT_AND_STUDY:
            setattr(bare, key, None)
        return bare


@contextmanager
def faults_named() -> Iterator[None]:
    """Silence pydicom, and turn its errors on invalid elements into one whose message quotes nothing of the file."""
    try:
        with quiet_pydicom():
            yield
    except (DicomResultError, ImportError, OSError, MemoryError):
        raise
    except Exception as error:
        raise DicomResultError(
            f"its header holds a value that cannot be carried over ({type(error).__name__})"
        ) from error
