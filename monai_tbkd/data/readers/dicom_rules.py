"""What DICOM tags say of a film's kind, view, body part and patient's age, held against the rules."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from monai_tbkd.data.film_rules import FilmRules
from monai_tbkd.data.film_warnings import FilmWarning
from monai_tbkd.data.readers.dicom_elements import sequence_items, values_of
from monai_tbkd.data.reason_codes import FilmError, ReasonCode

RULE_TAGS = (
    "SOPClassUID", "Modality", "PresentationIntentType", "BodyPartExamined", "AnatomicRegionSequence", "ViewPosition",
    "ViewCodeSequence", "PatientOrientation", "PatientAge", "PatientBirthDate", "StudyDate", "SeriesDate",
    "AcquisitionDate", "ContentDate", "BurnedInAnnotation", "SeriesDescription", "ProtocolName",
    "AcquisitionDeviceProcessingDescription", "PerformedProcedureStepDescription",
)  # fmt: skip
"""The elements that `check_tags` looks at."""

_RADIOGRAPHS = {ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation}
_CAPTURES = {
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
}
_RADIOGRAPHY = {"CR", "DX", "RG"}
_CAPTURE_MODALITIES = {"OT", "SC", "DG", "HC"}

_FRONTAL_WORDS = {"PA", "AP", "FRONTAL", "FRONT", "POSTEROANTERIOR", "ANTEROPOSTERIOR"}
# ViewPosition's terms (PS3.3 C.8.11.5 and C.8.1.1), how vendors write them, and the oblique and decubitus views.
_OTHER_VIEW_WORDS = {
    "LAT", "LATERAL", "LL", "RL", "LLAT", "RLAT", "LLD", "RLD", "DECUB", "DECUBITUS", "OBL", "OBLIQUE", "LLO", "RLO",
    "LAO", "RAO", "LPO", "RPO", "LATERALE", "PROFIL",
}  # fmt: skip
# CID 4010: antero-posterior, postero-anterior, frontal in SNOMED CT; the first two in SNOMED-RT
_FRONTAL_CODES = {"399348003", "272479007", "399033003", "R-10206", "R-10214"}
_CHEST_PARTS = ("CHEST", "THORA", "TORAX", "TORACE", "LUNG", "PULMO", "POUMON", "BRUST", "PECHO", "CXR")
# what stands in a tag that says nothing
_NOTHING = {"", "UNKNOWN", "UNK", "OTHER", "NONE", "NA", "UNSPECIFIED", "UNDEFINED", "NOTSPECIFIED"}
_BONES = ("SPINE", "VERTEB", "LUMB", "RIB", "STERN")  # "THORACIC SPINE" is no chest film
_CHEST_CODES = {"816094009", "51185008", "39607008", "T-D3000", "T-28000"}
_MOST_YEARS = 120


def check_tags(path: Path, ds: Dataset, rules: FilmRules) -> list[FilmWarning]:
    """Hold a DICOM film's tags against the rules.

    Args:
        path: the file, for messages.
        ds: the data set; at least `RULE_TAGS` of it.
        rules: what is accepted.

    Returns:
        What could not be checked.

    Raises:
        FilmError: UNSUPPORTED_SOP, FOR_PROCESSING, NOT_CHEST, NOT_FRONTAL or UNDER_AGE. No message holds patient data.
    """
    found = [
        *_check_kind(path, ds, rules),
        *_check_body_part(path, ds, rules.any_body_part),
        *_check_view(path, ds, rules.any_view),
        *(_check_age(path, ds, rules.min_age) if rules.min_age > 0 else []),
    ]
    if patient_orientation(ds) is None:
        found.append(FilmWarning.ORIENTATION_UNKNOWN)
    if _text(ds, "BurnedInAnnotation") == "YES":
        found.append(FilmWarning.BURNED_IN_ANNOTATION)
    return found


def _check_kind(path: Path, ds: Dataset, rules: FilmRules) -> list[FilmWarning]:
    sop, modality = UID(_text(ds, "SOPClassUID")), _text(ds, "Modality")
    name = sop.name if sop.name != str(sop) else "an unknown SOP class"
    if sop == DigitalXRayImageStorageForProcessing or _text(ds, "PresentationIntentType") == "FOR PROCESSING":
        raise FilmError(
            ReasonCode.FOR_PROCESSING,
            path,
            "pixels meant for processing; expected FOR PRESENTATION, so have the modality send the processed film",
        )
    captured = sop in _CAPTURES or modality in _CAPTURE_MODALITIES
    if captured and not rules.secondary_capture:
        raise FilmError(
            ReasonCode.UNSUPPORTED_SOP,
            path,
            f"{name}, modality {quoted(modality) or 'unknown'}; expected CR or DX, so send the original film, or set "
            "secondary_capture to true if such files are films without marks",
        )
    if not captured and (
        (sop and sop not in _RADIOGRAPHS) or (modality and modality not in _RADIOGRAPHY)
    ):  # an empty modality or SOP class is a gap, not a contradiction
        raise FilmError(
            ReasonCode.UNSUPPORTED_SOP,
            path,
            f"{name}, modality {quoted(modality) or 'unknown'}; expected a radiograph (CR or DX), so leave it out",
        )
    if captured:
        return [FilmWarning.SECONDARY_CAPTURE]
    return [] if sop or modality else [FilmWarning.MODALITY_UNKNOWN]


def quoted(value: object) -> str:
    """A code string as it may stand in a message; one that is none may be anything, the patient's name included.

    A damaged length makes an element run over its neighbors.

    Example:
        >>> quoted("CHEST"), quoted("DX PN Doe^Jane")
        ('CHEST', 'an odd value')
    """
    text = str(value)
    return text if re.fullmatch(r"[A-Z0-9 _./-]{0,16}", text) else "an odd value"


def _check_body_part(path: Path, ds: Dataset, any_part: bool) -> list[FilmWarning]:
    part = _text(ds, "BodyPartExamined")
    part = "" if _bare(part) in _NOTHING else part
    codes, named = _codes(ds, "AnatomicRegionSequence"), quoted(part)
    if part:
        chest = _names_chest(part)
    elif codes:
        chest = any(code in _CHEST_CODES or _names_chest(meaning) for code, meaning in codes)
        named = "another than the chest"
    else:
        return [FilmWarning.BODY_PART_UNKNOWN]
    if not chest and not any_part:
        raise FilmError(
            ReasonCode.NOT_CHEST,
            path,
            f"the body part is {named}; expected CHEST, so leave it out, or set any_body_part to true if the tag is "
            "wrong",
        )
    return []


def _names_chest(part: str) -> bool:
    return any(word in part for word in _CHEST_PARTS) and not any(word in part for word in _BONES)


def _check_view(path: Path, ds: Dataset, any_view: bool) -> list[FilmWarning]:
    try:
        return [] if _is_vouched_frontal(path, ds) else [FilmWarning.VIEW_UNKNOWN]
    except FilmError:
        if not any_view:
            raise
        return []


def _is_vouched_frontal(path: Path, ds: Dataset) -> bool:
    """Whether a tag says that the view is frontal; raises where one says that it is not."""
    orientation = patient_orientation(ds)
    if orientation is not None and (orientation[0][0] in "AP" or orientation[1][0] in "AP"):
        raise _not_frontal(path, "the patient is seen from the side or from above (PatientOrientation)")
    position = _text(ds, "ViewPosition")
    if _bare(position) not in _NOTHING:
        if _is_frontal(position):
            return True
        raise _not_frontal(path, f"the view is {quoted(position)}")
    codes = _codes(ds, "ViewCodeSequence")
    if codes:
        for code, meaning in codes:
            if code not in _FRONTAL_CODES and not _is_frontal(meaning):
                raise _not_frontal(path, "ViewCodeSequence names another view")
        return True
    # Free text is asked last, and believed only where it names one view: "CHEST PA AND LAT" names the study.
    for key in (
        "AcquisitionDeviceProcessingDescription", "SeriesDescription", "ProtocolName",
        "PerformedProcedureStepDescription",
    ):  # fmt: skip
        words = _words(_text(ds, key))
        frontal, other = words & _FRONTAL_WORDS, words & _OTHER_VIEW_WORDS
        if other and not frontal:
            raise _not_frontal(path, f"{key} has the word {sorted(other)[0]}")
        if frontal and not other:
            return True
    return False


def _not_frontal(path: Path, found: str) -> FilmError:
    return FilmError(
        ReasonCode.NOT_FRONTAL,
        path,
        f"{found}; expected PA or AP, so leave it out, or set any_view to true if the tag is wrong",
    )


def _is_frontal(view: str) -> bool:
    words = _words(view.replace("-", "")) | {_bare(view)}
    return bool(words & _FRONTAL_WORDS) and not words & _OTHER_VIEW_WORDS


def _bare(text: str) -> str:
    return re.sub("[^A-Z]", "", text)


def patient_orientation(ds: Dataset) -> tuple[str, str] | None:
    """Where in the patient rows and columns run to, if PatientOrientation says so in two proper values.

    Args:
        ds: the data set.

    Returns:
        For example ``("L", "F")``: rows run to the patient's left, columns to the feet.
    """
    value = ds.get("PatientOrientation")
    if not value or isinstance(value, str) or len(value) != 2:
        return None
    rows, columns = (str(each).strip().upper() for each in value)
    if not re.fullmatch("[APRLHF]{1,3}", rows) or not re.fullmatch("[APRLHF]{1,3}", columns):
        return None
    if any(rows[0] in axis and columns[0] in axis for axis in ("AP", "RL", "HF")):
        return None  # both along one axis of the patient: nonsense
    return rows, columns


def _check_age(path: Path, ds: Dataset, min_age: float) -> list[FilmWarning]:
    years = _age_in_years(ds)
    if years is None:
        return [FilmWarning.AGE_UNKNOWN]
    if years < min_age:
        raise FilmError(
            ReasonCode.UNDER_AGE,
            path,
            f"the patient is younger than {min_age:g} years, for whom the method was not made; leave the film out, or "
            "set min_age lower",
        )
    return []


def _age_in_years(ds: Dataset) -> float | None:
    ages = [age for age in (_stated_age(ds), _age_by_dates(ds)) if age is not None]
    return min(ages, default=None)  # where the two disagree, the child's


def _stated_age(ds: Dataset) -> float | None:
    # 034Y, 018M, 003W, 010D; some writers leave out the unit and mean years, or put a space
    stated = re.fullmatch(r"(\d{1,4}(?:\.\d+)?) ?([YMWD]?)", _text(ds, "PatientAge"))
    if stated is None:
        return None
    years = float(stated[1]) / {"Y": 1.0, "": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}[stated[2]]
    # 000Y is what removing an age leaves behind.
    return years if 0 < years <= _MOST_YEARS else None


def _age_by_dates(ds: Dataset) -> float | None:
    born = _date(ds, "PatientBirthDate")
    taken = next(filter(None, (_date(ds, f"{of}Date") for of in ("Acquisition", "Content", "Series", "Study"))), None)
    # What is entered where the birth date is unknown, such as 1 January 1900, makes an age that nobody has.
    if born is None or taken is None or (born.year, born.month, born.day) == (1900, 1, 1):
        return None
    years = taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day))
    return float(years) if 0 <= years <= _MOST_YEARS else None


def _date(ds: Dataset, key: str) -> date | None:
    try:
        return datetime.strptime(_text(ds, key).replace(".", "")[:8], "%Y%m%d").date()
    except ValueError:
        return None


def _codes(ds: Dataset, key: str) -> list[tuple[str, str]]:
    return [(_text(item, "CodeValue"), _text(item, "CodeMeaning")) for item in sequence_items(ds, key)]


def _words(text: str) -> set[str]:
    return set(re.findall("[A-Z]+", text))


def _text(ds: Dataset, key: str) -> str:
    return " ".join(str(each or "") for each in values_of(ds, key)).strip().upper()
