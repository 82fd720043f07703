"""Check headers of MetaImage and NRRD files: only known fields in a known form are accepted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from monai_tbkd.data.readers.reason_codes import ImageError, ReasonCode, named_errors

HEADER_BYTES = 65536
"""Longest header that is accepted."""
MOST_AXES = 5
"""ITK's NRRD reader ends the process from 13 axes on; an image has two, and perhaps a few of length 1."""
LONGEST_VALUE = 400
"""Characters of a field that is not free text, more than vectors of five axes have: ITK's NRRD reader writes beyond a
buffer of 1 KiB where it refuses one of some 900."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)"
_NUMBERS = rf"(?:{_NUMBER})(?:[ ]+(?:{_NUMBER}))*"
_VECTOR = rf"(?:\((?:{_NUMBER})(?:,[ ]?(?:{_NUMBER}))*\)|none)"
_TEXT = r"[\x20-\x7e\x80-\xff]*"
_WORDS = r"[\w ./?*-]+"
_NRRD = {
    "type": r"[a-z0-9_ ]+",
    "dimension": r"\d{1,2}",
    "sizes": r"\d{1,9}(?: +\d{1,9})*",
    "encoding": r"raw|gz|gzip|bz2|bzip2|txt|text|ascii|hex",
    "endian": r"little|big",
    "space": _WORDS,
    "space dimension": r"\d",
    "space directions": rf"{_VECTOR}(?: +{_VECTOR})*",
    "space origin": _VECTOR,
    "space units": r'"[^"]*"(?: +"[^"]*")*',
    "measurement frame": rf"{_VECTOR}(?: +{_VECTOR})*",
    "spacings": _NUMBERS, "thicknesses": _NUMBERS, "axis mins": _NUMBERS, "axismins": _NUMBERS, "axis maxs": _NUMBERS,
    "axismaxs": _NUMBERS, "min": _NUMBER, "max": _NUMBER, "old min": _NUMBER, "oldmin": _NUMBER, "old max": _NUMBER,
    "oldmax": _NUMBER,
    "kinds": _WORDS, "centers": _WORDS, "centerings": _WORDS,
    "labels": r'"[^"]*"(?: +"[^"]*")*', "units": r'"[^"]*"(?: +"[^"]*")*', "sample units": _TEXT, "content": _TEXT,
    "number": r"\d+",
    "line skip": r"0", "lineskip": r"0", "byte skip": r"0", "byteskip": r"0",
}  # fmt: skip
_METAIMAGE = {
    "objecttype": r"image",
    "objectsubtype": r"\w*",
    "ndims": r"\d{1,2}",
    "dimsize": r"\d{1,9}(?: +\d{1,9})*",
    "elementtype": r"met_\w+",
    "elementdatafile": r"local",
    "binarydata": r"true|false", "binarydatabyteordermsb": r"true|false", "elementbyteordermsb": r"true|false",
    "compresseddata": r"true|false", "compresseddatasize": r"\d+", "compressionlevel": r"\d+",
    "elementnumberofchannels": r"\d+", "headersize": r"0", "id": r"-?\d+", "parentid": r"-?\d+",
    "transformmatrix": _NUMBERS, "rotation": _NUMBERS, "orientation": _NUMBERS, "offset": _NUMBERS, "origin": _NUMBERS,
    "position": _NUMBERS, "centerofrotation": _NUMBERS, "elementspacing": _NUMBERS, "elementsize": _NUMBERS,
    "elementmin": _NUMBER, "elementmax": _NUMBER, "elementtointensityfunctionslope": _NUMBER,
    "elementtointensityfunctionoffset": _NUMBER, "color": _NUMBERS, "sequenceid": _NUMBERS,
    "anatomicalorientation": r"[a-z?]+", "distanceunits": r"[\w?]+", "modality": r"\w+",
    "name": _TEXT, "comment": _TEXT, "acquisitiondate": _TEXT,
}  # fmt: skip
_NEEDED = {
    "nrrd": ("type", "dimension", "sizes", "encoding"),
    "metaimage": ("ndims", "dimsize", "elementtype", "elementdatafile"),
}
_ELSEWHERE = ("data file", "datafile", "elementdatafile")
# what ITK keeps of an image's metadata, such as DICOM tags
_METADATA = re.compile(r"itk_\w+|[0-9a-f]{4}\|[0-9a-f]{4}")
_UNPRINTABLE = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


def read_header(path: Path, file_format: str) -> tuple[Mapping[str, str], int]:
    """Read the header of a ``"metaimage"`` or ``"nrrd"`` file that holds its pixels itself.

    Returns:
        Fields by their names in lower case, and where the pixels begin, in bytes.

    Raises:
        ImageError: CORRUPT, the header has no end, lacks a field, or has one of another form than the format's;
            NOT_AN_IMAGE, a field is not known here, or the pixels are in another file; MULTI_FRAME, too many axes.
    """
    with named_errors(path), path.open("rb") as file:
        return _checked(file.read(HEADER_BYTES), file_format)


def _checked(head: bytes, file_format: str) -> tuple[Mapping[str, str], int]:
    lines, start = (_nrrd_lines if file_format == "nrrd" else _metaimage_lines)(head)
    known, fields = _NRRD if file_format == "nrrd" else _METAIMAGE, {}
    for name, value in lines:
        if name in _ELSEWHERE and value.lower() != "local":
            detail = "a header whose pixels are in another file; save it as one file"
            raise ImageError(ReasonCode.NOT_AN_IMAGE, detail=detail)
        if name not in known:
            detail = f"the header has a field {name[:40]!r}, which is not known; save it anew"
            raise ImageError(ReasonCode.NOT_AN_IMAGE, detail=detail)
        if name in fields or not re.fullmatch(known[name], value, re.IGNORECASE):
            raise _corrupt(f"'s field {name!r} is {value[:40]!r}")
        if len(value) > LONGEST_VALUE and known[name] != _TEXT:
            raise _corrupt(f"'s field {name!r} has {len(value)} characters, expected at most {LONGEST_VALUE}")
        fields[name] = value
    if missing := [name for name in _NEEDED[file_format] if name not in fields]:
        raise _corrupt(f" has no {missing[0]!r}")
    axes, sizes = int(fields.get("dimension") or fields["ndims"]), (fields.get("sizes") or fields["dimsize"]).split()
    if axes > MOST_AXES:
        raise ImageError(ReasonCode.MULTI_FRAME, detail=f"{axes} axes; expected two axes or one slice")
    if len(sizes) != axes:
        raise _corrupt(f" has {axes} axes and {len(sizes)} sizes")
    return fields, start


def _nrrd_lines(head: bytes) -> tuple[list[tuple[str, str]], int]:
    end = re.search(rb"\r?\n\r?\n", head)
    lines = []
    for line in _printable(head[: end.start()] if end else head.rstrip())[1:]:
        if line.startswith("#") or re.fullmatch(rf"[\w .|-]+:={_TEXT}", line):
            continue  # comments, and keys that are no fields
        lines.append(_field(line, ":"))
    # A header without an end is one whose pixels are in another file, where it says so.
    if end is None and (len(head) == HEADER_BYTES or not any(name in _ELSEWHERE for name, _ in lines)):
        raise _corrupt(f" does not end within {HEADER_BYTES} bytes")
    return lines, end.end() if end else len(head)


def _metaimage_lines(head: bytes) -> tuple[list[tuple[str, str]], int]:
    end = re.search(rb"^ElementDataFile[^\n]*\n", head, re.MULTILINE | re.IGNORECASE)
    if end is None:
        raise _corrupt(f" does not end within {HEADER_BYTES} bytes")
    lines = [_field(line, "=") for line in _printable(head[: end.end() - 1])]
    return [(name, value) for name, value in lines if not _METADATA.fullmatch(name)], end.end()


def _field(line: str, separator: str) -> tuple[str, str]:
    name, found, value = line.partition(separator)
    if not found:
        raise _corrupt(f" has a line {line[:40]!r}")
    return name.strip().lower(), value.strip()


def _printable(header: bytes) -> list[str]:
    """Split into lines; a control character would let ITK see other lines than are checked here."""
    lines = [line.removesuffix(b"\r") for line in header.split(b"\n")]
    if any(_UNPRINTABLE.search(line) for line in lines):
        raise _corrupt(" holds control characters")
    return [line.decode("latin-1") for line in lines]


def _corrupt(what: str) -> ImageError:
    return ImageError(ReasonCode.CORRUPT, detail=f"the header{what}; copy the file again")
