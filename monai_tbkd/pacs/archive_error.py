"""What can be wrong with an archive, as opposed to a film in it."""

from __future__ import annotations


class ArchiveError(OSError):
    """The archive cannot be worked with; the message says why and how to mend it, without secrets or patient data."""


class ArchiveGoneError(ArchiveError):
    """The archive does not answer, or not now: what is done is kept, and the same command goes on later."""


class ArchiveRefusalError(ArchiveError):
    """The archive answers one request with an error; others may go well.

    Args:
        status: of HTTP.
        what: was asked for.
    """

    def __init__(self, status: int, what: str) -> None:
        self.status = status
        super().__init__(f"the archive answers {status} when asked to {what}")
