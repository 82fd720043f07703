"""Identifiers of images, labels, tags and sessions: what a request may name, and how a file of a folder is named."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

_SAFE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9_-])?")
_LONGEST_STEM = 150


def is_safe_id(text: str) -> bool:
    """Whether a text may be an identifier: no path can be made of it.

    Example:
        >>> is_safe_id("cxr_01.png"), is_safe_id("../cxr_01"), is_safe_id("..")
        (True, False, False)
    """
    return isinstance(text, str) and ".." not in text and _SAFE.fullmatch(text) is not None


def check_name(path: str) -> None:
    """Check that a path can stand in a list or a table: no line break, no bytes that are no UTF-8."""
    if "\n" in path or "\r" in path or path != path.encode("utf-8", "replace").decode():
        raise ValueError("its name holds a line break, or bytes that are no UTF-8; rename the file")


def image_id(name: str) -> str:
    """Return the identifier of a file by its path under a folder of images, always the same for the same name.

    A safe name of the folder itself is its own identifier, suffix included, since ``a.png`` and ``a.dcm`` are two
    images. Others, such as ``ward 3/a.png``, get safe characters and a hash that keeps them apart.

    Example:
        >>> image_id("a.png"), image_id("ward 3/a.png")
        ('a.png', 'ward_3-a.878c9cdd.png')
    """
    if is_safe_id(name) and len(name) <= _LONGEST_STEM:
        return name
    stem, suffix = found.groups() if (found := re.fullmatch(r"(.*)(\.[A-Za-z0-9]{1,8})", name, re.S)) else (name, "")
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", stem.replace("/", "-").replace("..", "__"))
    plain = plain.lstrip("._-")[:_LONGEST_STEM].replace("..", "__").rstrip(".") or "image"
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{plain}.{digest}{suffix}"


def series_files(folder: Path) -> list[Path]:
    """List the files of a DICOM series that was fetched."""
    return sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))


def shuffled(identifiers: Iterable[str]) -> list[str]:
    """Sort identifiers by their hashes, which is always the same order and does not depend on the names."""
    return sorted(identifiers, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
