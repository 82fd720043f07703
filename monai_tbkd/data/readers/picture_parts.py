"""Reduce a PNG, JPEG or TIFF file to what its pixels need.

Viewers ignore what they do not understand in texts, profiles, thumbnails and after the end of the picture. Pillow fails
there, or unpacks it, so it is given the file without them.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

# PNG's critical chunks have a capital; of the others, the frames of an animation, transparency and EXIF are looked at.
_PNG_EXTRAS = {b"acTL", b"fcTL", b"fdAT", b"tRNS", b"eXIf"}
_PALETTE = 3
# First column and row of each pass of an interlaced PNG, and its steps.
_ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
_JPEG_ALONE = {0x01, *range(0xD0, 0xD9)}
_END_OF_IMAGE, _START_OF_SCAN = 0xD9, 0xDA
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff]")
# What JPEG decoders need of application segments: how color is coded (JFIF, Adobe) and which way is up (EXIF).
_JPEG_NOTES = {0xE0: (b"JFIF\0", 14), 0xE1: (b"Exif\0\0", 14), 0xEE: (b"Adobe", 12)}
_TIFF_WIDTH = 256
# Size of a value of each type of TIFF 6.0.
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
# Description, make, model, software, date, artist, host, XMP, copyright, IPTC, Photoshop, EXIF, ICC profile, GPS.
_TIFF_NOTES = {270, 271, 272, 305, 306, 315, 316, 700, 33432, 33723, 34377, 34665, 34675, 34853}


def needed_png(content: bytes) -> tuple[bytes, bool]:
    """Leave out texts, profiles and other extras, extras with a wrong checksum, and what follows the end of a PNG file.

    Returns the rest, or everything where the chunks do not lead to the end, and whether the end is there.
    """
    parts, has_palette = [content[:8]], content[25:26] == bytes([_PALETTE])
    for pos, end in _png_chunks(content):
        kind = content[pos + 4 : pos + 8]
        if kind[:1].isupper() or _is_sound_extra(content, kind, pos, end, has_palette):
            parts.append(content[pos:end])
        if kind == b"IEND":
            return b"".join(parts), content[pos:end].endswith(b"IEND\xaeB`\x82")
    # Not found, as where damage hides the start of a chunk: an end mark near the end of the file will do.
    return content, b"IEND\xaeB`\x82" in content[-4096:]


def has_all_rows(content: bytes) -> bool:
    """Check whether a PNG file, reduced by `needed_png`, unpacks to all its rows; Pillow leaves missing ones black."""
    width, height = struct.unpack(">II", content[16:24])
    bits = content[24] * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(content[25], 1)
    expected = 0
    for left, top, across, down in _ADAM7 if content[28] else [(0, 0, 1, 1)]:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        expected += rows * (1 + (columns * bits + 7) // 8) if columns > 0 < rows else 0
    inflate = zlib.decompressobj()
    for pos, end in _png_chunks(content):
        packed = content[pos + 8 : end - 4] if content[pos + 4 : pos + 8] == b"IDAT" else b""
        while packed and expected > 0 and not inflate.eof:
            try:
                expected -= len(inflate.decompress(packed, 2**20))
            except zlib.error:
                return True  # damage, which Pillow tells or steps over
            packed = inflate.unconsumed_tail
    return expected <= 0


def _png_chunks(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each chunk of a PNG file starts and ends; the last may end after the file."""
    pos = 8
    while pos + 12 <= len(content):
        end = pos + 12 + int.from_bytes(content[pos : pos + 4], "big")
        yield pos, end
        pos = end


def _is_sound_extra(content: bytes, kind: bytes, pos: int, end: int, has_palette: bool) -> bool:
    if kind not in _PNG_EXTRAS or (kind == b"tRNS" and not has_palette) or (kind == b"acTL" and end - pos != 20):
        return False
    return zlib.crc32(content[pos + 4 : end - 4]).to_bytes(4, "big") == content[end - 4 : end]


def needed_jpeg(content: bytes) -> tuple[bytes, bool]:
    """Leave out texts, profiles, previews, bytes between segments, and what follows the end of a JPEG file.

    Returns the rest, or everything where the file is not built as the standard says, and whether the end is there.
    """
    parts, pos = [content[:2]], 2
    scan: int | None = None  # where the first scan starts: from there on everything is needed
    while (found := _JPEG_MARKER.search(content, pos)) is not None:
        marker, pos = found[0][1], found.end()
        if marker == _END_OF_IMAGE:
            return b"".join([*parts, content[scan or found.start() : pos]]), scan is not None
        if marker in _JPEG_ALONE:
            continue
        length = int.from_bytes(content[pos : pos + 2], "big")
        if marker == _START_OF_SCAN and scan is None:
            scan = pos - 2
        name, least = _JPEG_NOTES.get(marker, (b"", 0))
        is_note = 0xE0 <= marker <= 0xEF or marker == 0xFE
        needed = not is_note or (least > 0 and length >= least and content.startswith(name, pos + 2))
        if scan is None and needed:
            parts.append(content[pos - 2 : pos + length])
        pos += max(length, 2)
    # Not found, as where damage looks like a segment: an end of image after the last start of scan will do.
    return content, content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")


def needed_tiff(content: bytes) -> bytes:
    """Blank notes that lie outside of a TIFF file, and a pointer to a next page that is none; BigTIFF stays."""
    if content[2:4] in (b"+\0", b"\0+"):
        return content
    order = "<" if content[:2] == b"II" else ">"
    first = int.from_bytes(content[4:8], "little" if order == "<" else "big")
    entries = _tiff_entries(content, first, order)
    if not entries:
        return content
    fixed = bytearray(content)
    for pos, (tag, kind, count, offset) in entries.items():
        size = _TIFF_SIZES.get(kind, 1) * count
        if tag in _TIFF_NOTES and size > 4 and offset + size > len(content):
            fixed[pos : pos + 12] = struct.pack(order + "HHII", tag, 1, 1, 0)
    pointer = first + 2 + 12 * len(entries)
    (after,) = struct.unpack_from(order + "I", content, pointer)
    following = _tiff_entries(content, after, order)
    if all(tag != _TIFF_WIDTH for tag, *_ in following.values()):
        fixed[pointer : pointer + 4] = bytes(4)
    return bytes(fixed)


def _tiff_entries(content: bytes, start: int, order: str) -> dict[int, tuple[int, int, int, int]]:
    """Read tag, type, count and value or offset of each entry of a directory, by its position; none of a cut one."""
    if not 8 <= start <= len(content) - 2:
        return {}
    (number,) = struct.unpack_from(order + "H", content, start)
    if start + 2 + 12 * number + 4 > len(content):
        return {}
    positions = range(start + 2, start + 2 + 12 * number, 12)
    return {pos: struct.unpack_from(order + "HHII", content, pos) for pos in positions}
