"""Why a film has no score: one code for every way to be refused."""

from __future__ import annotations

from enum import StrEnum
from os import PathLike, fspath


class ReasonCode(StrEnum):
    """Why a film was refused; a refused film has a code and no score, never a score of 0.

    Example:
        >>> ReasonCode.MULTI_FRAME.value
        'MULTI_FRAME'
        >>> ReasonCode.MULTI_FRAME.meaning
        'more than one frame, slice or page in the file'
    """

    NOT_READABLE = "NOT_READABLE"
    CORRUPT = "CORRUPT"
    READER_DIED = "READER_DIED"
    NOT_AN_IMAGE = "NOT_AN_IMAGE"
    UNREADABLE_TAG = "UNREADABLE_TAG"
    UNSUPPORTED_SYNTAX = "UNSUPPORTED_SYNTAX"
    UNSUPPORTED_SOP = "UNSUPPORTED_SOP"
    FOR_PROCESSING = "FOR_PROCESSING"
    MULTI_FRAME = "MULTI_FRAME"
    COLOR = "COLOR"
    NOT_FRONTAL = "NOT_FRONTAL"
    NOT_CHEST = "NOT_CHEST"
    UNDER_AGE = "UNDER_AGE"
    TOO_SMALL = "TOO_SMALL"
    TOO_LARGE = "TOO_LARGE"
    OWN_RESULT = "OWN_RESULT"
    NOT_SELECTED = "NOT_SELECTED"
    NOT_FETCHED = "NOT_FETCHED"
    NOT_STORED = "NOT_STORED"
    INTERNAL = "INTERNAL"

    @property
    def meaning(self) -> str:
        """One line for people."""
        return _MEANINGS[self]

    @property
    def is_failure(self) -> bool:
        """Whether the film could not be looked at; otherwise it was, and is not of a kind that is scored.

        Example:
            >>> ReasonCode.CORRUPT.is_failure, ReasonCode.NOT_FRONTAL.is_failure
            (True, False)
        """
        return self in _FAILURES


_FAILURES = {
    ReasonCode.NOT_READABLE,
    ReasonCode.CORRUPT,
    ReasonCode.READER_DIED,
    ReasonCode.NOT_AN_IMAGE,
    ReasonCode.UNREADABLE_TAG,
    ReasonCode.UNSUPPORTED_SYNTAX,
    ReasonCode.TOO_LARGE,
    ReasonCode.NOT_FETCHED,
    ReasonCode.NOT_STORED,
    ReasonCode.INTERNAL,
}

_MEANINGS = {
    ReasonCode.NOT_READABLE: "the file is missing, not a regular file, or may not be opened",
    ReasonCode.CORRUPT: "the file is cut short or damaged",
    ReasonCode.READER_DIED: "decoding the file ended or hung the process that reads it",
    ReasonCode.NOT_AN_IMAGE: "the file holds no picture in a format that is read here",
    ReasonCode.UNREADABLE_TAG: "a DICOM element that the pixels cannot be read without is missing or unreadable",
    ReasonCode.UNSUPPORTED_SYNTAX: "no decoder for the way the pixels are compressed or stored",
    ReasonCode.UNSUPPORTED_SOP: "the DICOM object is of a kind that is not a radiograph",
    ReasonCode.FOR_PROCESSING: "DICOM pixels meant for processing, not for viewing",
    ReasonCode.MULTI_FRAME: "more than one frame, slice or page in the file",
    ReasonCode.COLOR: "color where a gray radiograph is expected",
    ReasonCode.NOT_FRONTAL: "not an upright PA or AP view",
    ReasonCode.NOT_CHEST: "the body part is not the chest",
    ReasonCode.UNDER_AGE: "the patient is younger than the method was made for",
    ReasonCode.TOO_SMALL: "too few pixels to see a lesion",
    ReasonCode.TOO_LARGE: "more pixels than a film has; decoding them could exhaust the memory",
    ReasonCode.OWN_RESULT: "a picture or an object that this program made of an image",
    ReasonCode.NOT_SELECTED: "left out by what was selected, as by the rules of an application",
    ReasonCode.NOT_FETCHED: "the archive did not send the film",
    ReasonCode.NOT_STORED: "the archive did not take the film's results",
    ReasonCode.INTERNAL: "a fault of the program, not of the film; the log has more",
}


class FilmError(ValueError):
    """A film that cannot be used, and why.

    Args:
        reason: the code.
        path: the file.
        detail: what was found, what was expected and how to mend it, without a full stop and without patient data.

    Example:
        >>> str(FilmError(ReasonCode.COLOR, "a.dcm", "RGB pixels; expected MONOCHROME1 or MONOCHROME2"))
        'a.dcm: RGB pixels; expected MONOCHROME1 or MONOCHROME2 (COLOR).'
    """

    def __init__(self, reason: ReasonCode, path: str | PathLike[str], detail: str) -> None:
        self.reason = ReasonCode(reason)
        self.path = fspath(path)
        self.detail = detail
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
