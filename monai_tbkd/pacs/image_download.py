"""Extract a DICOM file from an archive's answer while it arrives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from email.message import Message
from pathlib import Path

from monai_tbkd.data import ImageError, ReasonCode
from monai_tbkd.data.readers.dicom_file import read_dicom_header
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom

_KIND = 'multipart/related; type="application/dicom"'
ACCEPTS = (f"{_KIND}; transfer-syntax=*", _KIND)
"""A DICOM object in the transfer syntax that it is stored in (PS3.18, 8.7.3.5.2), or in any."""
_LONGEST_HEAD = 2**16
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def write_image(path: Path, content_type: str, chunks: Iterable[bytes], most: int, where: str) -> None:
    """Write the one DICOM object of an answer into a file, without holding it in memory.

    Args:
        path: the file.
        content_type: of the answer: ``multipart/related``, or, as some archives do, ``application/dicom``.
        chunks: the answer.
        most: bytes that are written.
        where: path of the image in the archive, for messages.

    Raises:
        ImageError: NOT_FETCHED where the answer holds no such object or ends before it does; TOO_LARGE.
    """
    head = Message()
    head["content-type"] = content_type
    kind, boundary = head.get_content_type(), head.get_param("boundary")
    with path.open("wb") as file:
        if kind == "application/dicom":
            parts: Iterable[bytes] = chunks
        elif kind == "multipart/related" and isinstance(boundary, str) and boundary:
            parts = _first_part(chunks, boundary.encode(), where)
        else:
            raise ImageError(ReasonCode.NOT_FETCHED, where, "the archive answers with something that is no DICOM file")
        size = 0
        for part in parts:
            size += len(part)
            if size > most:
                raise ImageError(ReasonCode.TOO_LARGE, where, f"a file of more than {most} bytes")
            file.write(part)


def check_identity(image: Sequence[str], path: Path, where: str) -> None:
    """Refuse a file whose UIDs (study, series, instance) differ from the requested ones.

    Raises:
        ImageError: NOT_FETCHED; CORRUPT where its UIDs cannot be read.
    """
    try:
        with quiet_pydicom():
            header = read_dicom_header(path, _UIDS)
            found = [str(header.get(key) or "").strip() for key in _UIDS]
    except ImageError as error:
        if error.reason is ReasonCode.NOT_AN_IMAGE:
            raise ImageError(ReasonCode.NOT_FETCHED, where, "the archive sends a file that is not DICOM") from None
        return  # the image reader reports the reason
    except Exception as error:  # pydicom raises all kinds on invalid elements
        raise ImageError(ReasonCode.CORRUPT, where, f"its UIDs cannot be read ({type(error).__name__})") from None
    other = [key for key, asked, sent in zip(_UIDS, image, found, strict=True) if sent != asked]
    if other:
        detail = f"the archive sends another image than it was asked for ({', '.join(other)})"
        raise ImageError(ReasonCode.NOT_FETCHED, where, detail)


def _first_part(chunks: Iterable[bytes], boundary: bytes, where: str) -> Iterable[bytes]:
    """The content of the first part (RFC 2046, 5.1.1): from the empty line after its head to the next boundary."""
    end = b"\r\n--" + boundary
    held, inside = b"\r\n", False  # the answer may begin with the first boundary
    for chunk in chunks:
        held += chunk
        if not inside:
            begins = re.search(re.escape(end) + rb"[ \t]*\r\n(?:[^\r\n]+\r\n)*\r\n", held)
            if begins is None:
                if len(held) > _LONGEST_HEAD:
                    break
                continue
            held, inside = held[begins.end() :], True
        at = held.find(end)
        if at >= 0:
            yield held[:at]
            return
        # The boundary may be cut by the end of a chunk.
        keep = len(end) - 1
        yield held[:-keep]
        held = held[-keep:]
    raise ImageError(ReasonCode.NOT_FETCHED, where, "the archive's answer ends before the image does; send it again")
