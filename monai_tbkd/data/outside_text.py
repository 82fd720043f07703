"""Text that other programs have written: in UTF-8, or with the byte-order mark that Windows' programs put before it."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from pathlib import Path
from xml.etree import ElementTree

# UTF-32 first: its mark starts with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# A document type declaration is the only door to entities, so to entity bombs and to files and hosts named in them.
_DECLARATION = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a text file that a user or another program has written.

    Args:
        path: text in UTF-8, with or without a byte-order mark, or in UTF-16 or UTF-32 with one.

    Returns:
        The text without the mark; line ends as they are.

    Raises:
        OSError: the file cannot be opened.
        UnicodeDecodeError: it is in another encoding, or no text; the reason says how to mend it.
    """
    return decode_text(Path(path).read_bytes())


def decode_text(content: bytes) -> str:
    """The text of a file's bytes, as `read_text` reads it.

    Example:
        >>> decode_text("a".encode("utf-8-sig")), decode_text("a".encode("utf-16")), decode_text(b"a")
        ('a', 'a', 'a')
    """
    encoding = _encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        reason = f"{error.reason}; save the file as UTF-8"
        raise UnicodeDecodeError(error.encoding, error.object, error.start, error.end, reason) from error
    if "\0" in text:
        at = content.index(b"\0")
        raise UnicodeDecodeError(
            encoding, content, at, at + 1, "a zero byte, as in UTF-16 without a byte-order mark; save the file as UTF-8"
        )
    return text


def read_xml(path: str | os.PathLike[str]) -> ElementTree.Element:
    """Read an XML file; see `read_text` for its encoding, which may also be one that the XML itself names.

    Args:
        path: the file.

    Returns:
        The root.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no XML, or declares a document type or entities.
    """
    return parse_xml(Path(path).read_bytes())


def parse_xml(content: bytes) -> ElementTree.Element:
    """Parse the bytes of an XML file, as `read_xml` does.

    Raises:
        ValueError: as `read_xml`.
    """
    # UTF-16 would hide a declaration from the search, so it is decoded first.
    wide = content.startswith(tuple(mark for mark, _ in _MARKS))
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
    """The names of a table's columns, from its first 64 KB; see `read_csv`."""
    with Path(path).open("rb") as file:
        head = file.read(65_536)
    first = next(csv.reader(io.StringIO(head.decode(_encoding(head), errors="ignore"), newline="")), [])
    return [name.strip() for name in first]


def read_csv(path: str | os.PathLike[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Read a CSV file with a header; see `read_text` for its encoding.

    Args:
        path: the table.

    Returns:
        The names of its columns, and its rows by column; a cell that is not there is empty. Spaces around a column's
        name are taken off.

    Raises:
        OSError: the file cannot be opened.
        UnicodeDecodeError: as `read_text`.
        csv.Error: it is no CSV file.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
    rows = [{key: value or "" for key, value in row.items() if key is not None} for row in reader]
    return list(reader.fieldnames), rows


def _encoding(content: bytes) -> str:
    return next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8-sig")
