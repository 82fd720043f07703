"""What a compressed DICOM stream says of its own size, held against the header that stands around it.

The decoders behind pydicom are C++ that trusts the header: GDCM ends the whole process where a JPEG-LS stream has fewer
pixels than rows times columns. So a contradiction is found before they see it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from monai_tbkd.data.reason_codes import FilmError, ReasonCode

_StreamSize = tuple[int, int, int, int]

# ITU-T T.81 table B.1 and T.87: starts of frame, and the markers that stand alone
_STARTS_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD9)}
# T.800 A.5.1: a code stream starts with SOC and SIZ
_J2K_START = b"\xff\x4f\xff\x51"


def check_stream(path: Path, ds: Dataset) -> None:
    """Refuse a JPEG, JPEG-LS or JPEG 2000 stream of another size than its header says.

    Args:
        path: the film, for the message.
        ds: the data set; other transfer syntaxes pass.

    Raises:
        FilmError: CORRUPT, the sizes differ or the stream has none.
    """
    read = _READERS.get(ds.file_meta.get("TransferSyntaxUID"))
    if read is None:
        return
    found = read(get_frame(ds.PixelData, 0, number_of_frames=1))
    if found is None:
        raise FilmError(ReasonCode.CORRUPT, path, "the compressed stream lacks its start or end; send the file again")
    rows, columns, bits, samples = found
    expected = int(ds.Rows), int(ds.Columns)
    if (rows, columns) != expected or samples != 1 or not 0 < bits <= int(ds.BitsAllocated):
        raise FilmError(
            ReasonCode.CORRUPT,
            path,
            f"the compressed stream has {rows} x {columns} pixels of {samples} x {bits} bits; its header says "
            f"{expected[0]} x {expected[1]} of 1 x at most {int(ds.BitsAllocated)}, so send the file again",
        )


def _jpeg_size(stream: bytes) -> _StreamSize | None:
    """Rows, columns, bits and samples of the start of frame (T.81 B.2.2); None without it or without an end mark."""
    if stream.rfind(b"\xff\xd9") < stream.rfind(b"\xff\xda"):
        return None  # cut short: GDCM fills up what is missing
    place = 2
    while stream[:2] == b"\xff\xd8" and place + 10 <= len(stream) and stream[place] == 0xFF:
        marker = stream[place + 1]
        if marker in _STARTS_OF_FRAME:
            frame = stream[place + 4 : place + 10]
            return int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big"), frame[0], frame[5]
        if marker == 0xFF or marker in _ALONE:  # a fill byte is any number of 0xFF before a marker
            place += 1 if marker == 0xFF else 2
        else:
            place += 2 + int.from_bytes(stream[place + 2 : place + 4], "big")
    return None


def _j2k_size(stream: bytes) -> _StreamSize | None:
    """Rows, columns, bits and samples of the SIZ segment, wherever the boxes of a JP2 file let it begin."""
    start = stream.find(_J2K_START, 0, 4096)
    if start < 0 or start + 43 > len(stream):
        return None
    right, bottom, left, top = (int.from_bytes(stream[start + at : start + at + 4], "big") for at in (8, 12, 16, 20))
    samples = int.from_bytes(stream[start + 40 : start + 42], "big")
    return bottom - top, right - left, (stream[start + 42] & 0x7F) + 1, samples


_READERS: dict[object, Callable[[bytes], _StreamSize | None]] = {
    **dict.fromkeys((JPEG2000, JPEG2000Lossless), _j2k_size),
    **dict.fromkeys(
        (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless),
        _jpeg_size,
    ),
}
