"""How a run ends: one sentence for an error that a user can mend, and an exit status."""

from __future__ import annotations

import importlib.util
import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from monai.bundle import ConfigParser

T = TypeVar("T")
IMAGES_FAILED = 3
"""Exit status: some images could not be processed; the others are done."""
SHOW_TRACEBACK = "TBKD_TRACEBACK"


def plain_cause(error: BaseException | None) -> BaseException | None:
    """Find the ``ValueError`` or ``OSError`` of this package in a chain that MONAI's config parser has wrapped.

    Returns:
        The error, or None where the chain holds none.
    """
    while error is not None:
        last, frame = error.__traceback__, error.__traceback__
        while frame is not None:
            last, frame = frame, frame.tb_next
        raised_in = "" if last is None else str(last.tb_frame.f_globals.get("__name__", ""))
        if isinstance(error, (ValueError, OSError)) and raised_in.startswith("monai_tbkd"):
            return error
        error = error.__cause__ or error.__context__
    return None


def show_errors_plainly() -> None:
    """End the program with one sentence where this package refuses its input; other errors are shown as before.

    MONAI's config parser wraps every error in "Failed to evaluate ...", below which the reason is hard to find. The
    environment variable ``TBKD_TRACEBACK=1`` shows the whole traceback as well.
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


def parsed_content(parser: ConfigParser, key: str) -> Any:
    """Parse a part of a config; an error of this package is raised unwrapped."""
    try:
        return parser.get_parsed_content(key)
    except Exception as error:
        cause = plain_cause(error)
        if cause is None:
            raise
        raise cause from error


def end_with(status: int) -> None:
    """Exit with a status other than 0, if the process was started as ``python -m monai.bundle``."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if status and getattr(spec, "name", "") == "monai.bundle.__main__":
        raise SystemExit(status)


def with_extra(wanted: T, package: str, extra: str) -> T:
    """Return `wanted` if it is false or a package is installed.

    Args:
        wanted: what needs the package.
        package: by its import name.
        extra: of this project, that installs it.

    Raises:
        ValueError: the package is not there.
    """
    if wanted and importlib.util.find_spec(package) is None:
        raise ValueError(
            f"{wanted!r} needs {package}, which is not installed; install it by pip install 'monai_tbkd[{extra}]'."
        )
    return wanted
