"""Read text, CSV and XML of users and other programs: UTF-8, or UTF-16 and UTF-32 with a byte-order mark."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from pathlib import Path
from xml.etree import ElementTree

_MARKS = {  # UTF-32 first: its mark starts with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
# Entities, and with them entity bombs and references to files and hosts, need a document type declaration.
_DECLARATION = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


def _encoding(content: bytes) -> str:
    return next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8-sig")


def read_text(path: str | os.PathLike[str]) -> str:
    """Read text in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark; line ends stay.

    Another encoding is a UnicodeDecodeError whose reason says how to mend it.
    """
    return decode_text(Path(path).read_bytes())


def decode_text(content: bytes) -> str:
    """Decode bytes as `read_text` does.

    Example:
        >>> decode_text("a".encode("utf-8-sig")), decode_text("a".encode("utf-16")), decode_text(b"a")
        ('a', 'a', 'a')
    """
    encoding = _encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        error.reason += "; save the file as UTF-8"
        raise
    if "\0" in text:
        at = content.index(b"\0")
        raise UnicodeDecodeError(
            encoding, content, at, at + 1, "a zero byte, as in UTF-16 without a byte-order mark; save the file as UTF-8"
        )
    return text


def read_xml(path: str | os.PathLike[str]) -> ElementTree.Element:
    """Read an XML file, see `parse_xml`, and return its root."""
    return parse_xml(Path(path).read_bytes())


def parse_xml(content: bytes) -> ElementTree.Element:
    """Parse XML in an encoding of `read_text`, or in one that it names itself.

    Raises:
        ValueError: it is no XML, or declares a document type or entities.
    """
    wide = content.startswith(tuple(_MARKS))  # UTF-16 would hide a declaration from the search, so it is decoded first
    text = decode_text(content) if wide else content.decode("latin-1")
    if "\0" in text:
        raise ValueError("UTF-16 without a byte-order mark; save the file as UTF-8")
    if _DECLARATION.search(text):
        raise ValueError("a document type or entity declaration; expected plain annotations")
    try:
        return ElementTree.fromstring(text if wide else content)
    except (ElementTree.ParseError, LookupError) as error:  # LookupError: an unknown encoding
        raise ValueError(f"no XML: {error}") from error


def csv_columns(path: str | os.PathLike[str]) -> list[str]:
    """Read the names of a table's columns from its first 64 KB."""
    with Path(path).open("rb") as file:
        head = file.read(65_536)
    first = next(csv.reader(io.StringIO(head.decode(_encoding(head), errors="ignore"), newline="")), [])
    return [name.strip() for name in first]


def read_csv(path: str | os.PathLike[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Read a CSV file with a header, in an encoding of `read_text`, whose errors it raises, and csv.Error.

    Returns:
        The names of its columns without spaces around them, and its rows by column; a missing cell is empty.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
    rows = [{key: value or "" for key, value in row.items() if key is not None} for row in reader]
    return list(reader.fieldnames), rows
