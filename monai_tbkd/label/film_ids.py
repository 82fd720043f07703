"""Identifiers of films, labels and tags: what may stand in a request, and what a file in a folder is called."""

from __future__ import annotations

import hashlib
import re

_SAFE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9_-])?")
_OTHER = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_STEM = 150


def is_safe_id(text: str) -> bool:
    """Whether a text may name a film, a label, a tag or a session: no path can be made of it.

    Example:
        >>> is_safe_id("cxr_01.png"), is_safe_id("../cxr_01"), is_safe_id("..")
        (True, False, False)
    """
    return isinstance(text, str) and ".." not in text and _SAFE.fullmatch(text) is not None


def check_name(path: str) -> None:
    """See that a path can stand in a list or a table of films.

    Raises:
        ValueError: a line break in it, or bytes that are no UTF-8.
    """
    if "\n" in path or "\r" in path or path != path.encode("utf-8", "replace").decode():
        raise ValueError("its name holds a line break, or bytes that are no UTF-8; rename the file")


def film_id(name: str) -> str:
    """The identifier of a file in a folder of films, always the same for the same name.

    A name of the folder itself that is safe stays what it is, suffix included, since ``a.png`` and ``a.dcm`` are two
    films. Others, such as ``ward 3/a.png``, get safe characters and a hash that keeps them apart.

    Args:
        name: path under the folder, with forward slashes.

    Example:
        >>> film_id("a.png")
        'a.png'
        >>> film_id("ward 3/a.png")
        'ward_3-a.878c9cdd.png'
    """
    if is_safe_id(name) and len(name) <= _LONGEST_STEM:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or "/" in suffix or not suffix.isalnum() or not suffix.isascii() or len(suffix) > 8:
        stem, suffix = name, ""
    plain = _OTHER.sub("_", stem.replace("/", "-").replace("..", "__")).lstrip("._-")[:_LONGEST_STEM] or "film"
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{plain.replace('..', '__').rstrip('.')}.{digest}" + (f".{suffix}" if suffix else "")
