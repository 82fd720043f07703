"""Common parts of all DICOM results: series, identifiers, equipment, patient and study, and writing."""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import highdicom as hd
from pydicom import Dataset
from pydicom.sr.codedict import codes

from monai_tbkd import __version__
from monai_tbkd.data.files.atomic_write import atomic_write
from monai_tbkd.data.files.own_results import MANUFACTURER, MODEL_NAME, is_own_result
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.dicom.image_finding import ImageFinding
from monai_tbkd.dicom.source_image import SourceImage, faults_named
from monai_tbkd.transforms import NOTICE

P = ParamSpec("P")
Result = TypeVar("Result", bound=Dataset)
ALGORITHM = "monai_tbkd tuberculosis localization"
DRAWN_BY_ANNOTATOR = "drawn by an annotator"
"""Prefix of the version in a report of an annotator's boxes."""
NOT_ANALYSED = "TB not analysed"
# number and description of the series of each kind; the UIDs are made from the kind
_SERIES = {
    "SR": (9701, "TB boxes SR"),
    "SEG map": (9702, "TB map SEG"),
    "SEG boxes": (9703, "TB boxes SEG"),
    "SC": (9704, "TB boxes on image"),
    "GSPS": (9705, "TB boxes GSPS"),
    "refusal": (9706, NOT_ANALYSED),
}
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "monai_tbkd.dicom")
_LONGEST = 64  # characters of a VR LO
_OWN_TIMES = (
    ("ContentDate", "ContentTime"),
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("PresentationCreationDate", "PresentationCreationTime"),
    ("DateOfSecondaryCapture", "TimeOfSecondaryCapture"),
)
_REQUEST = (
    "AccessionNumber", "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest",
    "RequestedProcedureID", "RequestedProcedureDescription",
)  # fmt: skip


def dicom_result(build: Callable[Concatenate[SourceImage, P], Result]) -> Callable[Concatenate[SourceImage, P], Result]:
    """Decorate a builder of a result: silence highdicom, and copy patient and study into the result.

    A builder raises a DicomResultError where an element of the image cannot be carried over, and a ValueError where a
    box reaches beyond the image.
    """

    @functools.wraps(build)
    def built(source: SourceImage, /, *args: P.args, **options: P.kwargs) -> Result:
        with quiet_pydicom():
            result = build(source, *args, **options)
            with faults_named():
                _carry_over(source.header, result)
            return result

    return built


def series_of(source: SourceImage, finding: ImageFinding, kind: str, uid_words: str = "") -> dict[str, Any]:
    """Make the arguments common to highdicom's builders; each kind of result of an image has its own series.

    The description includes the image's series and instance numbers, if they fit. UIDs are made from `uid_words`, or
    else from the kind.
    """
    number, description = _SERIES[kind]
    description, words = f"{description}, {NOTICE}", uid_words or kind
    numbered = ""
    with suppress(Exception):  # missing or invalid
        of_image = "/".join(str(int(source.header.get(key))) for key in ("SeriesNumber", "InstanceNumber"))
        numbered = description.replace(",", f" {of_image},", 1)
    return {
        "series_instance_uid": result_uid(source, finding, words, "series"),
        "series_number": number,
        "sop_instance_uid": result_uid(source, finding, words, "instance"),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MODEL_NAME,
        "device_serial_number": long_string(finding.model_version),
        "software_versions": long_string(finding.model_version),
        "series_description": numbered if 0 < len(numbered) <= _LONGEST else description,
        "contributing_equipment": [
            hd.ContributingEquipment(
                manufacturer=MANUFACTURER,
                purpose_of_reference=codes.DCM.ProcessingEquipment,
                manufacturer_model_name=MODEL_NAME,
                software_versions=long_string(finding.model_version),
                contribution_description="Tuberculosis localization. Research use only, not for diagnosis",
            )
        ],
    }


def result_uid(source: SourceImage, finding: ImageFinding, *words: str) -> hd.UID:
    """Make a reproducible UID from image, finding and words, so that a resumed run makes no duplicates.

    It is a name-based UUID (PS3.5, B.2), which reveals nothing of the patient.
    """
    return named_uid(str(source.header.StudyInstanceUID), source.uid, __version__, finding.digest, *words)


def named_uid(*words: str) -> hd.UID:
    """Make a UID from words."""
    return hd.UID(f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(words)).int}")


def software_version(dataset: Dataset) -> str:
    """The first software version of a data set, or the empty string."""
    versions = dataset.get("SoftwareVersions") or ""
    return str(versions if isinstance(versions, str) else versions[0]).strip()


def is_result_of(dataset: Dataset, model_version: str) -> bool:
    """Whether a data set, or its header, is a result of this program with this model."""
    return is_own_result(dataset) and software_version(dataset) == long_string(model_version)


def is_refusal(report: Dataset) -> bool:
    """Whether a report of this program says that its image was not analysed."""
    return str(report.get("SeriesDescription") or "").startswith(NOT_ANALYSED)


def write_object(result: Dataset, path: str | Path) -> Path:
    """Write a DICOM file whole or not at all; its folder is made.

    Raises:
        DicomResultError: an element carried over from the image cannot be written.
    """
    path = Path(path)
    with faults_named(), atomic_write(path) as part:
        result.save_as(part, enforce_file_format=True)
    return path


def _carry_over(image: Dataset, result: Dataset) -> None:
    """Copy patient, study, request, time zone and body part as they stand in the image."""
    # text is decoded and encoded by the image's character set
    character_set = image.get("SpecificCharacterSet")
    if character_set:
        result.SpecificCharacterSet = character_set
    elif "SpecificCharacterSet" in result:
        del result.SpecificCharacterSet
    result.copy_patient_and_study_information(image)
    if image.get("OtherPatientIDs"):  # retired, but still in use
        result["OtherPatientIDs"] = deepcopy(image["OtherPatientIDs"])
    _carry_time_zone(result, str(image.get("TimezoneOffsetFromUTC") or ""))
    if result.Modality == "SR":
        if requests := _requests(image):
            result.ReferencedRequestSequence = requests
        if not character_set and str(result).isascii():  # ASCII is valid UTF-8
            result.SpecificCharacterSet = "ISO_IR 192"
    elif result.Modality != "SEG":
        # PS3.3, C.7.3.1: laterality is required for paired parts and not allowed for others
        part = image.get("BodyPartExamined")
        result.BodyPartExamined = part or "CHEST"
        if part and "Laterality" in image:
            result.Laterality = image.Laterality


def _carry_time_zone(result: Dataset, offset: str) -> None:
    """Give a result the image's offset from UTC, and its own times in it: one offset holds for a whole object."""
    given = re.fullmatch(r"([+-])(\d{2})(\d{2})", offset)
    if given is None or int(given[2]) > 14 or int(given[3]) > 59:
        return
    minutes = (60 * int(given[2]) + int(given[3])) * (-1 if given[1] == "-" else 1)
    now = datetime.now(timezone(timedelta(minutes=minutes)))
    result.TimezoneOffsetFromUTC = offset
    for date, time in _OWN_TIMES:
        if date in result:
            setattr(result, date, now.strftime("%Y%m%d"))
            setattr(result, time, now.strftime("%H%M%S.%f"))


def _requests(image: Dataset) -> list[Dataset]:
    """Refer to the requests of an image as a report does (PS3.3, C.17.2)."""
    found = []
    for request in image.get("ReferencedRequestSequence") or image.get("RequestAttributesSequence") or []:
        item = Dataset()
        item.StudyInstanceUID = request.get("StudyInstanceUID") or image.StudyInstanceUID
        item.ReferencedStudySequence = []
        item.RequestedProcedureCodeSequence = deepcopy(list(request.get("RequestedProcedureCodeSequence") or []))
        for key in _REQUEST:
            setattr(item, key, request.get(key) or image.get(key) or None)
        found.append(item)
    return found


def long_string(text: str) -> str:
    """Text as a value of the VR LO."""
    return text[:_LONGEST].replace("\\", "/") or "unknown"
