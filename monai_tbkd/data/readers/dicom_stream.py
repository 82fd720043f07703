"""Hold the start of a compressed DICOM stream against the data set's header.

GDCM ends the whole process where a JPEG-LS stream has fewer pixels than the header says, so a contradiction in size is
found first. Depth and sign are taken from the stream, as DICOM PS3.5 8.2 asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydicom import Dataset, uid
from pydicom.encaps import encapsulate, generate_frames

from monai_tbkd.data.readers.reason_codes import ImageError, ReasonCode


@dataclass(frozen=True)
class StreamHead:
    """What the start of a compressed stream says; rows and columns are 0, the last two None where it does not."""

    rows: int
    columns: int
    bits: int  # of a sample
    samples: int  # of a pixel
    signed: bool | None = None
    syntax: uid.UID | None = None


# ITU-T T.81 table B.1 and T.87: starts of frame, and the markers that stand alone
_STARTS_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_SYNTAXES = {0xC0: uid.JPEGBaseline8Bit, 0xC1: uid.JPEGExtended12Bit, 0xC3: uid.JPEGLossless, 0xF7: uid.JPEGLSLossless}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF, 0xF7}
_ALONE = {0x01, *range(0xD0, 0xD9)}
# T.800 A.5.1: a code stream starts with SOC and SIZ
_J2K_START = b"\xff\x4f\xff\x51"
_ITEM = b"\xfe\xff\x00\xe0"
_NATIVE = {
    uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian,
}  # fmt: skip


def read_stream_head(ds: Dataset, rows: int, columns: int, allocated: int) -> StreamHead | None:
    """Read the start of an RLE, JPEG, JPEG-LS or JPEG 2000 stream; None for other transfer syntaxes.

    It is CORRUPT if it lacks its start or end, or contradicts the header's rows, columns and BitsAllocated.
    """
    read = _READERS.get(ds.file_meta.get("TransferSyntaxUID"))
    if read is None:
        return None
    found = read(_first_frame(ds.PixelData))
    if found is None:
        raise ImageError(ReasonCode.CORRUPT, detail="the compressed stream lacks its start or end; send the file again")
    most = max(16, allocated)
    size_fits = (found.rows, found.columns) in {(rows, columns), (0, 0)}
    if not size_fits or found.samples != 1 or not 0 < found.bits <= most:
        raise ImageError(
            ReasonCode.CORRUPT,
            detail=f"the compressed stream has {found.rows} x {found.columns} pixels of {found.samples} x {found.bits} "
            f"bits; its header says {rows} x {columns} of 1 x at most {most}, so send the file again",
        )
    return found


def guess_syntax(pixel_data: bytes) -> uid.UID | None:
    """Guess the transfer syntax of encapsulated pixel data by how its stream starts; None where that tells nothing."""
    stream = _first_frame(pixel_data)
    heads = (read(stream) for read in (_j2k_head, _jpeg_head, _rle_head))
    return next((head.syntax for head in heads if head is not None), None)


def settle_syntax(ds: Dataset, native_bytes: int) -> bool:
    """Correct a data set whose pixels are plainly stored in another way than TransferSyntaxUID says.

    They are a JPEG, JPEG-LS or JPEG 2000 stream, in fragments or bare, under a native syntax or one of another kind of
    stream; or native pixels, of `native_bytes`, under the syntax of a stream. Returns whether it was corrected.
    """
    named = ds.file_meta.TransferSyntaxUID
    if "PixelData" not in ds or named not in {*_READERS, *_NATIVE}:
        return False
    data, read = ds.PixelData, _READERS.get(named)
    wrapped = ds["PixelData"].is_undefined_length or data[:4] == _ITEM
    if read is None and len(data) >= native_bytes and not ds["PixelData"].is_undefined_length:
        return False
    if not wrapped and len(data) in (native_bytes, native_bytes + 1):
        found: uid.UID | None = uid.ExplicitVRLittleEndian
    elif not wrapped and data[:2] != b"\xff\xd8" and _J2K_START not in data[:4096]:
        return False
    else:
        data = data if wrapped else encapsulate([data], has_bot=False)
        if read is not None and read(_first_frame(data)) is not None and wrapped:
            return False
        found = guess_syntax(data)
    if found is None:
        return False
    ds.file_meta.TransferSyntaxUID = found
    ds["PixelData"]._value = data
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", found in _READERS
    return True


def _first_frame(pixel_data: bytes) -> bytes:
    """Join all fragments, whatever the offset table says, as decoders do."""
    return next(generate_frames(pixel_data, number_of_frames=1))


def _jpeg_head(stream: bytes) -> StreamHead | None:
    """Read the start of frame (T.81 B.2.2); None without it or without an end mark."""
    if stream.rfind(b"\xff\xd9") < stream.rfind(b"\xff\xda"):
        return None  # cut short: GDCM fills up what is missing
    pos = 2
    while stream[:2] == b"\xff\xd8" and pos + 10 <= len(stream) and stream[pos] == 0xFF:
        marker = stream[pos + 1]
        if marker in _STARTS_OF_FRAME:
            frame = stream[pos + 4 : pos + 10]
            rows, columns = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
            # What is lossless keeps the bits of a value, be it signed or not; the others know unsigned values only.
            signed = None if marker in _LOSSLESS else False
            return StreamHead(rows, columns, frame[0], frame[5], signed, _SYNTAXES.get(marker))
        if marker == 0xFF or marker in _ALONE:  # a fill byte is any number of 0xFF before a marker
            pos += 1 if marker == 0xFF else 2
        else:
            pos += 2 + int.from_bytes(stream[pos + 2 : pos + 4], "big")
    return None


def _j2k_head(stream: bytes) -> StreamHead | None:
    """Read the SIZ segment, wherever the boxes of a JP2 file let it begin."""
    start = stream.find(_J2K_START, 0, 4096)
    if start < 0 or start + 43 > len(stream):
        return None
    right, bottom, left, top = (int.from_bytes(stream[start + at : start + at + 4], "big") for at in (8, 12, 16, 20))
    samples, depth = int.from_bytes(stream[start + 40 : start + 42], "big"), stream[start + 42]
    return StreamHead(bottom - top, right - left, (depth & 0x7F) + 1, samples, depth > 0x7F, uid.JPEG2000)


def _rle_head(stream: bytes) -> StreamHead | None:
    """Read the number of segments, one for each byte of a pixel; the first starts after 64 bytes (PS3.5 G.5)."""
    segments, first = int.from_bytes(stream[:4], "little"), int.from_bytes(stream[4:8], "little")
    if not 1 <= segments <= 15:
        return None
    return StreamHead(0, 0, 8 * segments, 1, syntax=uid.RLELossless if first == 64 else None)


_READERS: dict[uid.UID, Callable[[bytes], StreamHead | None]] = {
    uid.RLELossless: _rle_head, uid.JPEG2000: _j2k_head, uid.JPEG2000Lossless: _j2k_head,
    uid.JPEGBaseline8Bit: _jpeg_head, uid.JPEGExtended12Bit: _jpeg_head, uid.JPEGLossless: _jpeg_head,
    uid.JPEGLosslessSV1: _jpeg_head, uid.JPEGLSLossless: _jpeg_head, uid.JPEGLSNearLossless: _jpeg_head,
}  # fmt: skip
