"""What could not be checked about a film that was scored all the same."""

from __future__ import annotations

from enum import StrEnum


class FilmWarning(StrEnum):
    """A doubt about a film; unlike a `ReasonCode` it does not keep the film from being scored.

    Example:
        >>> FilmWarning.VIEW_UNKNOWN.meaning
        'no tag names the view: a lateral film would not have been noticed'
    """

    UNTAGGED = "UNTAGGED"
    MODALITY_UNKNOWN = "MODALITY_UNKNOWN"
    VIEW_UNKNOWN = "VIEW_UNKNOWN"
    ORIENTATION_UNKNOWN = "ORIENTATION_UNKNOWN"
    BODY_PART_UNKNOWN = "BODY_PART_UNKNOWN"
    AGE_UNKNOWN = "AGE_UNKNOWN"
    BURNED_IN_ANNOTATION = "BURNED_IN_ANNOTATION"
    SECONDARY_CAPTURE = "SECONDARY_CAPTURE"
    DISPLAY_LEFT_OUT = "DISPLAY_LEFT_OUT"
    BITS_DOUBTFUL = "BITS_DOUBTFUL"
    SYNTAX_DOUBTFUL = "SYNTAX_DOUBTFUL"
    LOOKS_DOUBTFUL = "LOOKS_DOUBTFUL"
    PLAIN_BORDER = "PLAIN_BORDER"
    SEVERAL_PICTURES = "SEVERAL_PICTURES"
    UNUSUAL_SHAPE = "UNUSUAL_SHAPE"
    OTHER_INPUT_KIND = "OTHER_INPUT_KIND"
    NO_DICOM_RESULT = "NO_DICOM_RESULT"

    @property
    def meaning(self) -> str:
        """One line for people."""
        return _MEANINGS[self]


_MEANINGS = {
    FilmWarning.UNTAGGED: "a picture without tags: view, body part and age could not be checked by them",
    FilmWarning.MODALITY_UNKNOWN: "neither modality nor SOP class say that this is a radiograph",
    FilmWarning.VIEW_UNKNOWN: "no tag names the view: a lateral film would not have been noticed",
    FilmWarning.ORIENTATION_UNKNOWN: "no tag says which way is up; the film was taken as it is stored",
    FilmWarning.BODY_PART_UNKNOWN: "no tag names the body part",
    FilmWarning.AGE_UNKNOWN: "neither age nor birth date is known: a child would not have been noticed",
    FilmWarning.BURNED_IN_ANNOTATION: "text is burned into the pixels: it may name the patient, and may mislead",
    FilmWarning.DISPLAY_LEFT_OUT: "an unreadable DICOM window, LUT or the like was left out; pixel_steps names it",
    FilmWarning.BITS_DOUBTFUL: "the pixels contradict the header's bits or sign; pixel_steps says how they were read",
    FilmWarning.SYNTAX_DOUBTFUL: "the pixels are stored in another way than the header says; pixel_steps says in which",
    FilmWarning.LOOKS_DOUBTFUL: "the tags say an upright frontal chest film, and the picture does not look like one",
    FilmWarning.PLAIN_BORDER: "a plain border of a third of the picture or more was cut off before it was scored",
    FilmWarning.SEVERAL_PICTURES: "plain lines part the picture: it may hold several images, which were scored as one",
    FilmWarning.UNUSUAL_SHAPE: "its sides are far from a radiograph's: it may hold several images, or a part of one",
    FilmWarning.OTHER_INPUT_KIND: "the threshold was calibrated on another kind of film, so there is no decision",
    FilmWarning.NO_DICOM_RESULT: "DICOM results were asked for and could not be made; the detail says why",
    FilmWarning.SECONDARY_CAPTURE: "a secondary capture: marks may be drawn into the pixels",
}
