"""A DICOM object that is in its place whole or not at all."""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset

from monai_tbkd.data.readers.dicom import quiet_pydicom
from monai_tbkd.data.whole_file import whole_file
from monai_tbkd.dicom.source_film import SourceFilm, faults_named


def finished(result: Dataset, source: SourceFilm) -> Dataset:
    """Carry over what the film says of patient, study and body part, as it stands there.

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
        if result.Modality not in ("SR", "SEG"):
            # PS3.3, C.7.3.1: the side is wanted of a part that is one of a pair, and not allowed for another
            part = source.header.get("BodyPartExamined")
            result.BodyPartExamined = part or "CHEST"
            if part and "Laterality" in source.header:
                result.Laterality = source.header.Laterality
    return result


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
