"""A DICOM object that is in its place whole or not at all."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path

from pydicom import Dataset

from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.data.whole_file import whole_file
from monai_tbkd.dicom.source_film import SourceFilm, faults_named

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


def finished(result: Dataset, source: SourceFilm) -> Dataset:
    """Carry over what the film says of patient, study, request, time zone and body part, as it stands there.

    Args:
        result: an object of highdicom, built without them; it is changed.
        source: the film.

    Returns:
        `result`.

    Raises:
        DicomResultError: an element of the film cannot be carried over.
    """
    with quiet_pydicom(), faults_named():
        # Text is decoded by the film's character set and is written by it again.
        character_set = source.header.get("SpecificCharacterSet")
        if character_set:
            result.SpecificCharacterSet = character_set
        elif "SpecificCharacterSet" in result:
            del result.SpecificCharacterSet
        result.copy_patient_and_study_information(source.header)
        if source.header.get("OtherPatientIDs"):  # retired, and still written
            result["OtherPatientIDs"] = deepcopy(source.header["OtherPatientIDs"])
        _carry_time_zone(result, str(source.header.get("TimezoneOffsetFromUTC") or ""))
        if result.Modality == "SR":
            if requests := _requests(source.header):
                result.ReferencedRequestSequence = requests
            if not character_set and str(result).isascii():  # what ASCII is, is also UTF-8
                result.SpecificCharacterSet = "ISO_IR 192"
        if result.Modality not in ("SR", "SEG"):
            # PS3.3, C.7.3.1: the side is wanted of a part that is one of a pair, and not allowed for another
            part = source.header.get("BodyPartExamined")
            result.BodyPartExamined = part or "CHEST"
            if part and "Laterality" in source.header:
                result.Laterality = source.header.Laterality
    return result


def _carry_time_zone(result: Dataset, offset: str) -> None:
    """Give a result the image's offset from UTC, and its own times in it: one offset holds for a whole object."""
    given = re.fullmatch(r"([+-])(\d{2})(\d{2})", offset)
    if given is None or int(given[2]) > 14 or int(given[3]) > 59:
        return
    seconds = 60 * (60 * int(given[2]) + int(given[3])) * (-1 if given[1] == "-" else 1)
    now = datetime.now(timezone(timedelta(seconds=seconds)))
    result.TimezoneOffsetFromUTC = offset
    for date, time in _OWN_TIMES:
        if date in result:
            setattr(result, date, now.strftime("%Y%m%d"))
            setattr(result, time, now.strftime("%H%M%S.%f"))


def _requests(film: Dataset) -> list[Dataset]:
    """What an image was requested by, as a report refers to it (PS3.3, C.17.2)."""
    found = []
    for request in film.get("ReferencedRequestSequence") or film.get("RequestAttributesSequence") or []:
        item = Dataset()
        item.StudyInstanceUID = request.get("StudyInstanceUID") or film.StudyInstanceUID
        item.ReferencedStudySequence = []
        item.RequestedProcedureCodeSequence = deepcopy(list(request.get("RequestedProcedureCodeSequence") or []))
        for key in _REQUEST:
            element = request.get(key) or film.get(key)
            setattr(item, key, element or None)
        found.append(item)
    return found


def write_object(result: Dataset, path: str | Path) -> Path:
    """Write an object beside its place and move it there, so that a killed run leaves no half of one.

    Args:
        result: the object.
        path: its file; the folder is made.

    Returns:
        The file.

    Raises:
        DicomResultError: an element carried over from the film cannot be written.
    """
    path = Path(path)
    with quiet_pydicom(), faults_named(), whole_file(path) as part:
        result.save_as(part, enforce_file_format=True)
    return path
