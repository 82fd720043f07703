"""Codes for doubts about images that are scored all the same."""

from __future__ import annotations

from monai_tbkd.data.readers.reason_codes import Code


class ImageWarning(Code):
    """A doubt about an image; unlike a `ReasonCode` it does not keep the image from being scored.

    Example:
        >>> ImageWarning.VIEW_UNKNOWN.meaning
        'no tag names the view: a lateral image would not have been noticed'
    """

    UNTAGGED = "UNTAGGED", "a picture without tags: view, body part and age could not be checked by them"
    MODALITY_UNKNOWN = "MODALITY_UNKNOWN", "neither modality nor SOP class say that this is a radiograph"
    VIEW_UNKNOWN = "VIEW_UNKNOWN", "no tag names the view: a lateral image would not have been noticed"
    ORIENTATION_UNKNOWN = "ORIENTATION_UNKNOWN", "no tag says which way is up; the image was taken as it is stored"
    BODY_PART_UNKNOWN = "BODY_PART_UNKNOWN", "no tag names the body part"
    AGE_UNKNOWN = "AGE_UNKNOWN", "neither age nor birth date is known: a child would not have been noticed"
    BURNED_IN_ANNOTATION = (
        "BURNED_IN_ANNOTATION", "text is burned into the pixels: it may name the patient, and may mislead",
    )  # fmt: skip
    SECONDARY_CAPTURE = "SECONDARY_CAPTURE", "a secondary capture: marks may be drawn into the pixels"
    DISPLAY_LEFT_OUT = (
        "DISPLAY_LEFT_OUT", "an unreadable DICOM window, LUT or the like was left out; pixel_steps names it",
    )  # fmt: skip
    BITS_DOUBTFUL = (
        "BITS_DOUBTFUL", "the pixels contradict the header's bits or sign; pixel_steps says how they were read",
    )  # fmt: skip
    SYNTAX_DOUBTFUL = (
        "SYNTAX_DOUBTFUL", "the pixels are stored in another way than the header says; pixel_steps says in which",
    )  # fmt: skip
    LOOKS_DOUBTFUL = (
        "LOOKS_DOUBTFUL", "the tags say an upright frontal chest image, and the picture does not look like one",
    )  # fmt: skip
    PLAIN_BORDER = (
        "PLAIN_BORDER", "a plain border of a third of the picture or more was cut off before it was scored",
    )  # fmt: skip
    SEVERAL_PICTURES = (
        "SEVERAL_PICTURES", "plain lines part the picture: it may hold several images, which were scored as one",
    )  # fmt: skip
    UNUSUAL_SHAPE = (
        "UNUSUAL_SHAPE", "its sides are far from a radiograph's: it may hold several images, or a part of one",
    )  # fmt: skip
    OTHER_INPUT_KIND = (
        "OTHER_INPUT_KIND", "the threshold was calibrated on another kind of image, so there is no decision",
    )  # fmt: skip
    NO_DICOM_RESULT = (
        "NO_DICOM_RESULT", "DICOM results were asked for and could not be made; the detail says why",
    )  # fmt: skip
