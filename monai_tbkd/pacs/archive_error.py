"""What can be wrong with an archive, as opposed to an image in it."""

from __future__ import annotations


class ArchiveError(OSError):
    """The archive cannot be worked with; the message says why and how to mend it, without secrets or patient data."""


class ArchiveGoneError(ArchiveError):
    """The archive does not answer, or not now: what is done is kept, and the same command goes on later.

    Args:
        message: for the user.
        retry_after: seconds that the archive asks to wait, if it does.
        answered: it has answered, if only that it is busy.
        broken: the answer ended before it was whole.
    """

    def __init__(
        self, message: str, retry_after: float | None = None, answered: bool = False, broken: bool = False
    ) -> None:
        self.retry_after, self.answered, self.broken = retry_after, answered, broken
        super().__init__(message)


class ArchiveRefusalError(ArchiveError):
    """The archive answers one request with an error or with something unusable; others may go well.

    Args:
        said: what the archive does, such as "answers 500".
        what: was asked for.
        status: of HTTP.
    """

    def __init__(self, said: str, what: str, status: int = 200) -> None:
        self.said, self.status = said, status
        super().__init__(f"the archive {said} when asked to {what}")
