"""A mistake that a user can mend is a sentence, not a traceback."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from monai_tbkd.data.reason_codes import causes

SHOW_TRACEBACK = "TBKD_TRACEBACK"


def plain_cause(error: BaseException | None) -> BaseException | None:
    """The error at the bottom of a chain that MONAI's config parser has wrapped, if this package raised it.

    Args:
        error: as it reached the top.

    Returns:
        The ``ValueError`` or ``OSError`` that ``monai_tbkd`` raised, or None where the chain holds none.
    """
    kinds = (ValueError, OSError)
    return next((each for each in causes(error) if isinstance(each, kinds) and _raised_here(each.__traceback__)), None)


def show_errors_plainly() -> None:
    """From now on, end the program with one sentence where this package refuses its input.

    MONAI's config parser wraps every error in "Failed to evaluate ...", below which the reason is hard to find. The
    environment variable ``TBKD_TRACEBACK=1`` shows the whole traceback as well. Other errors are shown as always.
    """
    if getattr(sys.excepthook, "shows_plainly", False):
        return
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        cause = plain_cause(error)
        if cause is None or os.environ.get(SHOW_TRACEBACK):
            before(kind, error, traceback)
        if cause is not None:
            sys.stderr.write(f"\nerror: {cause}\n({SHOW_TRACEBACK}=1 shows where it was raised.)\n")

    hook.shows_plainly = True  # type: ignore[attr-defined]
    sys.excepthook = hook


def _raised_here(traceback: TracebackType | None) -> bool:
    last = None
    while traceback is not None:
        last, traceback = traceback, traceback.tb_next
    return last is not None and str(last.tb_frame.f_globals.get("__name__", "")).startswith("monai_tbkd")
