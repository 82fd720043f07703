"""Tell a file's format from its first bytes."""

from __future__ import annotations

import zlib

HEAD_BYTES = 1024
"""How many bytes of a file `sniff_format` wants to see."""
ITK_FORMATS = ("metaimage", "nrrd")


def sniff_format(head: bytes) -> str | None:
    """Name the format that a file's first `HEAD_BYTES` bytes belong to, whatever its name.

    Returns:
        ``"png"``, ``"jpeg"``, ``"tiff"``, ``"bmp"``, ``"dicom"``, ``"nifti"``, ``"metaimage"``, ``"nrrd"``,
        ``"headless_dicom"`` (starts like a DICOM data set without a preamble: a guess that the decoder must confirm),
        or None.

    Example:
        >>> sniff_format(bytes(128) + b"DICM")
        'dicom'
        >>> sniff_format(b"image,label") is None
        True
    """
    # DICOM first: its 128-byte preamble may hold anything, another format's magic included.
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):  # TIFF and BigTIFF
        return "tiff"
    # "BM" alone starts many a text; the four reserved bytes are 0 and the size of the second header is a small number.
    if head.startswith(b"BM") and head[6:10] == bytes(4) and head[15:18] == bytes(3):
        return "bmp"
    if head.startswith(b"NRRD000"):
        return "nrrd"
    if b"NDims" in head and b"ObjectType" in head:
        return "metaimage"
    zipped = head.startswith(b"\x1f\x8b")
    if zipped:
        try:
            head = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, 540)
        except zlib.error:
            return None
    if head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0"):
        return "nifti"
    return "headless_dicom" if head[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x08") and not zipped else None
