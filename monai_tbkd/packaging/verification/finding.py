"""What a check has found."""

from __future__ import annotations

from typing import NamedTuple

OK, ERROR, WARNING, SKIPPED = "ok", "error", "warning", "skipped"


class Finding(NamedTuple):
    """One line of a verification.

    Attributes:
        check: which check, in a word or two.
        level: `OK`, `ERROR`, `WARNING` (a reviewer may ask) or `SKIPPED` (with the reason).
        text: what was found and, where it is an error, what was expected.
    """

    check: str
    level: str
    text: str
