"""What is asked for against the packages that are there."""

from __future__ import annotations

import importlib.util
from typing import TypeVar

T = TypeVar("T")


def with_extra(wanted: T, package: str, extra: str) -> T:
    """Let a wish through, if the package that it needs is installed.

    Args:
        wanted: anything; what is false needs nothing.
        package: that has to be there.
        extra: of this project, that brings it.

    Returns:
        `wanted`.

    Raises:
        ValueError: the package is not there.

    Example:
        >>> with_extra(("sr",), "numpy", "dicom")
        ('sr',)
    """
    if wanted and importlib.util.find_spec(package) is None:
        raise ValueError(
            f"{wanted!r} needs {package}, which is not installed; install it by pip install 'monai_tbkd[{extra}]'."
        )
    return wanted
