"""The config that is being run, as its expressions see it."""

from __future__ import annotations

import sys

from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver


def running_parser() -> tuple[ConfigParser, str]:
    """The parser that evaluates the expression from which this is called, and the id of the list that it stands in.

    MONAI hands neither to an expression.
    """
    frame, steps = sys._getframe(1), ""
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, ReferenceResolver) and not steps:
            steps = str(frame.f_locals.get("id", "")).rpartition("::")[0]
        if isinstance(owner, ConfigParser):
            return owner, steps
        frame = frame.f_back  # type: ignore[assignment]
    raise RuntimeError("This is an expression of a config; call it there.")
