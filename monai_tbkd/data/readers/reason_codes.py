"""Codes for images that are refused or cannot be read, and for doubts about those that are scored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from os import PathLike, fspath
from typing import Self


class Code(StrEnum):
    """Base of enumerations whose members carry one line for people in `meaning`."""

    _value_: str
    meaning: str

    def __new__(cls, code: str, meaning: str = "") -> Self:
        member = str.__new__(cls, code)
        member._value_, member.meaning = code, meaning
        return member


class ReasonCode(Code):
    """Why an image was refused or could not be read; it has a code and no score, never a score of 0.

    Example:
        >>> ReasonCode.MULTI_FRAME.value
        'MULTI_FRAME'
        >>> ReasonCode.MULTI_FRAME.meaning
        'more than one frame, slice or page in the file'
    """

    NOT_READABLE = "NOT_READABLE", "the file is missing, not a regular file, or may not be opened"
    CORRUPT = "CORRUPT", "the file is cut short or damaged"
    READER_DIED = "READER_DIED", "decoding the file ended or hung the process that reads it"
    NOT_AN_IMAGE = "NOT_AN_IMAGE", "the file holds no picture in a format that is read here"
    UNREADABLE_TAG = "UNREADABLE_TAG", "a DICOM element that the pixels cannot be read without is missing or unreadable"
    UNSUPPORTED_SYNTAX = "UNSUPPORTED_SYNTAX", "no decoder for the way the pixels are compressed or stored"
    UNSUPPORTED_SOP = "UNSUPPORTED_SOP", "the DICOM object is of a kind that is not a radiograph"
    FOR_PROCESSING = "FOR_PROCESSING", "DICOM pixels meant for processing, not for viewing"
    MULTI_FRAME = "MULTI_FRAME", "more than one frame, slice or page in the file"
    COLOR = "COLOR", "color where a gray radiograph is expected"
    NOT_FRONTAL = "NOT_FRONTAL", "not an upright PA or AP view"
    NOT_CHEST = "NOT_CHEST", "the body part is not the chest"
    UNDER_AGE = "UNDER_AGE", "the patient is younger than the method was made for"
    TOO_SMALL = "TOO_SMALL", "too few pixels to see a lesion"
    TOO_LARGE = "TOO_LARGE", "more pixels than a radiograph has; decoding them could exhaust the memory"
    OWN_RESULT = "OWN_RESULT", "a picture or an object that this program made of an image"
    NOT_SELECTED = "NOT_SELECTED", "left out by what was selected, as by the rules of an application"
    NOT_FETCHED = "NOT_FETCHED", "the archive did not send the image"
    NOT_STORED = "NOT_STORED", "the archive did not take the image's results"
    INTERNAL = "INTERNAL", "a fault of the program, not of the image; the log has more"

    @property
    def is_failure(self) -> bool:
        """Whether the image could not be examined; otherwise it was, and is of a kind that is not scored."""
        return self in _FAILURES


_FAILURES = {
    ReasonCode.NOT_READABLE, ReasonCode.CORRUPT, ReasonCode.READER_DIED, ReasonCode.NOT_AN_IMAGE,
    ReasonCode.UNREADABLE_TAG, ReasonCode.UNSUPPORTED_SYNTAX, ReasonCode.TOO_LARGE, ReasonCode.NOT_FETCHED,
    ReasonCode.NOT_STORED, ReasonCode.INTERNAL,
}  # fmt: skip


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


class ImageError(ValueError):
    """An image that cannot be used.

    Args:
        reason: the code.
        path: the file; `named_errors` adds it where a decoder leaves it out.
        detail: what was found and expected and how to mend it, without a full stop and without patient data.

    Example:
        >>> str(ImageError(ReasonCode.COLOR, "a.dcm", "RGB pixels; expected MONOCHROME1 or MONOCHROME2"))
        'a.dcm: RGB pixels; expected MONOCHROME1 or MONOCHROME2 (COLOR).'
    """

    def __init__(self, reason: ReasonCode, path: str | PathLike[str] = "", detail: str = "") -> None:
        self.reason, self.path, self.detail = ReasonCode(reason), fspath(path), detail
        super().__init__(self.reason, self.path, self.detail)

    def __str__(self) -> str:
        return f"{self.path}: {self.detail} ({self.reason})."


@contextmanager
def named_errors(path: str | PathLike[str]) -> Iterator[None]:
    """Put the path of a file into an `ImageError` that has none."""
    try:
        yield
    except ImageError as error:
        error.path = error.path or fspath(path)
        raise
