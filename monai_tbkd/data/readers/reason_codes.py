"""Codes for images that are refused or cannot be read."""

from __future__ import annotations

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


class ImageError(ValueError):
    """An image that cannot be used.

    Args:
        reason: the code.
        path: the file.
        detail: what was found and expected and how to mend it, without a full stop and without patient data.

    Example:
        >>> str(ImageError(ReasonCode.COLOR, "a.dcm", "RGB pixels; expected MONOCHROME1 or MONOCHROME2"))
        'a.dcm: RGB pixels; expected MONOCHROME1 or MONOCHROME2 (COLOR).'
    """

    def __init__(self, reason: ReasonCode, path: str | PathLike[str], detail: str) -> None:
        self.reason, self.path, self.detail = ReasonCode(reason), fspath(path), detail
        super().__init__(self.reason, self.path, self.detail)

    def __str__(self) -> str:
        return f"{self.path}: {self.detail} ({self.reason})."


def causes(error: BaseException | None) -> list[BaseException]:
    """An exception and those that it was raised from, the first cause last."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain
