"""Check what DICOM tags say of an image's kind, body part, view and the patient's age."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from pydicom import Dataset, uid

from monai_tbkd.data.files.number_range import is_number
from monai_tbkd.data.readers.dicom_elements import quoted, sequence_items, values_of
from monai_tbkd.data.readers.reason_codes import ImageError, ImageWarning, ReasonCode

_RADIOGRAPHS = {uid.ComputedRadiographyImageStorage, uid.DigitalXRayImageStorageForPresentation}
_CAPTURES = {
    uid.SecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
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
# Free text that may name the view; asked last.
_DESCRIPTIONS = (
    "AcquisitionDeviceProcessingDescription", "SeriesDescription", "ProtocolName",
    "PerformedProcedureStepDescription",
)  # fmt: skip
_CHEST_PARTS = ("CHEST", "THORA", "TORAX", "TORACE", "LUNG", "PULMO", "POUMON", "BRUST", "PECHO", "CXR")
# what stands in a tag that says nothing
_NOTHING = {"", "UNKNOWN", "UNK", "OTHER", "NONE", "NA", "UNSPECIFIED", "UNDEFINED", "NOTSPECIFIED"}
_BONES = ("SPINE", "VERTEB", "LUMB", "RIB", "STERN")  # "THORACIC SPINE" is no chest image
_CHEST_CODES = {"816094009", "51185008", "39607008", "T-D3000", "T-28000"}
_MOST_YEARS = 120


@dataclass(frozen=True)
class ImageRules:
    """What an image's tags must say; an image that says otherwise is refused, one that says nothing gets a warning.

    WHO recommends computer-aided detection of TB from 15 years of age on (consolidated guidelines on tuberculosis,
    module 2, 2021), on frontal chest X-rays meant for viewing.
    """

    min_age: float = 15  # youngest patient in years; 0 takes everyone
    secondary_capture: bool = False  # take Secondary Capture objects and modality OT; marks may be drawn on them
    any_view: bool = False  # take laterals too
    any_body_part: bool = False

    def __post_init__(self) -> None:
        if not is_number(self.min_age, 0):
            raise ValueError(f"min_age is {self.min_age!r}; expected years, 0 or more.")


def check_tags(ds: Dataset, rules: ImageRules) -> list[ImageWarning]:
    """Hold a DICOM image's tags against the rules, and return warnings of what could not be checked.

    No message holds patient data.
    """
    found = [
        _check_kind(ds, rules.secondary_capture),
        _check_body_part(ds, rules.any_body_part),
        _check_view(ds, rules.any_view),
        _check_age(ds, rules.min_age),
        ImageWarning.ORIENTATION_UNKNOWN if patient_orientation(ds) is None else None,
        ImageWarning.BURNED_IN_ANNOTATION if _text(ds, "BurnedInAnnotation") == "YES" else None,
    ]
    return [warning for warning in found if warning]


def _check_kind(ds: Dataset, take_captures: bool) -> ImageWarning | None:
    sop, modality = uid.UID(_text(ds, "SOPClassUID")), _text(ds, "Modality")
    if sop == uid.DigitalXRayImageStorageForProcessing or _text(ds, "PresentationIntentType") == "FOR PROCESSING":
        detail = "pixels meant for processing; expected FOR PRESENTATION, so have the modality send the processed image"
        raise ImageError(ReasonCode.FOR_PROCESSING, detail=detail)
    name = sop.name if sop.name != str(sop) else "an unknown SOP class"
    kind = f"{name}, modality {quoted(modality) or 'unknown'}; expected"
    if sop in _CAPTURES or modality in _CAPTURE_MODALITIES:
        if not take_captures:
            raise ImageError(
                ReasonCode.UNSUPPORTED_SOP,
                detail=f"{kind} CR or DX, so send the original image, or set secondary_capture to true if such files "
                "are images without marks",
            )
        return ImageWarning.SECONDARY_CAPTURE
    # An empty modality or SOP class is a gap, not a contradiction.
    if (sop and sop not in _RADIOGRAPHS) or (modality and modality not in _RADIOGRAPHY):
        raise ImageError(ReasonCode.UNSUPPORTED_SOP, detail=f"{kind} a radiograph (CR or DX), so leave it out")
    return None if sop or modality else ImageWarning.MODALITY_UNKNOWN


def _check_body_part(ds: Dataset, any_part: bool) -> ImageWarning | None:
    part, codes = _text(ds, "BodyPartExamined"), _codes(ds, "AnatomicRegionSequence")
    if _bare(part) not in _NOTHING:
        chest, named = _names_chest(part), quoted(part)
    elif codes:
        chest = any(code in _CHEST_CODES or _names_chest(meaning) for code, meaning in codes)
        named = "another than the chest"
    else:
        return ImageWarning.BODY_PART_UNKNOWN
    if not chest and not any_part:
        raise ImageError(
            ReasonCode.NOT_CHEST,
            detail=f"the body part is {named}; expected CHEST, so leave it out, or set any_body_part to true if "
            "the tag is wrong",
        )
    return None


def _names_chest(part: str) -> bool:
    return any(word in part for word in _CHEST_PARTS) and not any(word in part for word in _BONES)


def _check_view(ds: Dataset, any_view: bool) -> ImageWarning | None:
    frontal, found = _view(ds)
    if found and not any_view:
        detail = f"{found}; expected PA or AP, so leave it out, or set any_view to true if the tag is wrong"
        raise ImageError(ReasonCode.NOT_FRONTAL, detail=detail)
    return None if frontal or found else ImageWarning.VIEW_UNKNOWN


def _view(ds: Dataset) -> tuple[bool, str]:
    """Return whether a tag says that the view is frontal, or what says that it is not."""
    orientation = patient_orientation(ds)
    if orientation is not None and (orientation[0][0] in "AP" or orientation[1][0] in "AP"):
        return False, "the patient is seen from the side or from above (PatientOrientation)"
    position = _text(ds, "ViewPosition")
    if _bare(position) not in _NOTHING:
        return (True, "") if _is_frontal(position) else (False, f"the view is {quoted(position)}")
    if codes := _codes(ds, "ViewCodeSequence"):
        frontal = all(code in _FRONTAL_CODES or _is_frontal(meaning) for code, meaning in codes)
        return frontal, "" if frontal else "ViewCodeSequence names another view"
    # Free text is believed only where it names one view: "CHEST PA AND LAT" names the study.
    for key in _DESCRIPTIONS:
        words = _words(_text(ds, key))
        other = words & _OTHER_VIEW_WORDS
        if bool(other) != bool(words & _FRONTAL_WORDS):
            return not other, f"{key} has the word {min(other)}" if other else ""
    return False, ""


def _is_frontal(view: str) -> bool:
    words = _words(view.replace("-", "")) | {_bare(view)}
    return bool(words & _FRONTAL_WORDS) and not words & _OTHER_VIEW_WORDS


def patient_orientation(ds: Dataset) -> tuple[str, str] | None:
    """Read where in the patient rows and columns run to; None where PatientOrientation has not two proper values.

    ``("L", "F")``: rows run to the patient's left, columns to the feet.
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


def _check_age(ds: Dataset, min_age: float) -> ImageWarning | None:
    if min_age <= 0:
        return None
    ages = [age for age in (_stated_age(ds), _age_by_dates(ds)) if age is not None]
    if not ages:
        return ImageWarning.AGE_UNKNOWN
    if min(ages) < min_age:  # where the two disagree, the child's
        raise ImageError(
            ReasonCode.UNDER_AGE,
            detail=f"the patient is younger than {min_age:g} years, for whom the method was not made; leave the image "
            "out, or set min_age lower",
        )
    return None


def _stated_age(ds: Dataset) -> float | None:
    # 034Y, 018M, 003W, 010D; some writers leave out the unit and mean years, or put a space
    stated = re.fullmatch(r"(\d{1,4}(?:\.\d+)?) ?([YMWD]?)", _text(ds, "PatientAge"))
    if stated is None:
        return None
    years = float(stated[1]) / {"Y": 1.0, "": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}[stated[2]]
    return years if 0 < years <= _MOST_YEARS else None  # 000Y is what removing an age leaves behind


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


def _text(ds: Dataset, key: str) -> str:
    return " ".join(str(each or "") for each in values_of(ds, key)).strip().upper()


def _words(text: str) -> set[str]:
    return set(re.findall("[A-Z]+", text))


def _bare(text: str) -> str:
    return re.sub("[^A-Z]", "", text)
