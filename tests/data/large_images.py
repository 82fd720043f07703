"""Headers of images that would fill the memory, and bombs."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
)

from tests.data.golden_dicom import write_image
from tests.data.good_images import HEIGHT, WIDTH, image, zipped_nifti

_HUGE = 40_000
_ZEROS = 2**27
"""What a bomb inflates to, in bytes."""


def write_large_images(folder: Path, *names: str) -> dict[str, str]:
    """Images with false and huge headers, and bombs, all or those named, by name: what was done to each."""
    wanted = {name: _LARGE[name] for name in names or _LARGE}
    for name, (_, write) in wanted.items():
        write(folder / name)
    return {name: kind for name, (kind, _) in wanted.items()}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _deflated_zeros(number: int) -> bytes:
    return _packed_before_zeros(b"", number)


def _packed_before_zeros(content: bytes, number: int) -> bytes:
    packer = zlib.compressobj(9)
    piece = bytes(2**20)
    zeros = (packer.compress(piece) for _ in range(number // len(piece)))
    return b"".join([packer.compress(content), *zeros, packer.flush()])


def _png(width: int, height: int, *chunks: bytes, data: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def small_png(*chunks: bytes) -> bytes:
    return _png(WIDTH, HEIGHT, *chunks, data=zlib.compress(_rows()))


def _rows() -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in image(8))


def _bytes(content: Callable[[], bytes]) -> Callable[[Path], None]:
    return lambda path: (path.write_bytes(content()), None)[1]


def _huge_picture(path: Path) -> None:
    """A small picture whose size fields are overwritten."""
    suffix, out = path.suffix, io.BytesIO()
    Image.fromarray(image(8)).save(out, {".jpg": "JPEG", ".tif": "TIFF", ".bmp": "BMP"}[suffix])
    content = bytearray(out.getvalue())
    if suffix == ".jpg":
        start = content.index(b"\xff\xc0") + 5
        content[start : start + 4] = struct.pack(">HH", _HUGE, _HUGE)
    elif suffix == ".bmp":
        content[18:26] = struct.pack("<ii", _HUGE, _HUGE)
    else:
        directory = struct.unpack_from("<I", content, 4)[0]
        for entry in range(directory + 2, directory + 2 + 12 * content[directory], 12):
            if struct.unpack_from("<H", content, entry)[0] in (256, 257):  # ImageWidth, ImageLength
                struct.pack_into("<HII", content, entry + 2, 4, 1, _HUGE)
    path.write_bytes(content)


def _huge_dicom(path: Path) -> None:
    write_image(path, image(12), 12, Rows=_HUGE, Columns=_HUGE)


def _huge_nifti(path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    # NIfTI-1 has 16 bits with a sign for each length
    header.set_data_shape((32_767, 32_767, 1))
    content = header.binaryblock + bytes(4 + 500)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def _huge_nifti_2(path: Path) -> None:
    header = nib.Nifti2Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((_HUGE, _HUGE))
    path.write_bytes(header.binaryblock + bytes(4 + 500))


def _huge_metaimage() -> bytes:
    return (
        "ObjectType = Image\nNDims = 2\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        f"DimSize = {_HUGE} {_HUGE}\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    ).encode() + bytes(500)


def _huge_nrrd() -> bytes:
    return (
        f"NRRD0004\ntype: uint8\ndimension: 2\nsizes: {_HUGE} {_HUGE}\nencoding: raw\nendian: little\n\n".encode()
        + bytes(500)
    )


def _deflated_dicom_bomb(path: Path) -> None:
    write_image(path, image(12), 12, syntax=ExplicitVRLittleEndian)
    make_deflated_bomb(path, 2 * 10**9)  # ten times what any image has


def make_deflated_bomb(path: Path, most: int) -> None:
    """Give a DICOM image pixel data that inflate to so many bytes; rows and columns stay."""
    ds = pydicom.dcmread(path)
    del ds.PixelData
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.save_as(path)
    start = 132 + 12 + pydicom.filereader.read_file_meta_info(path).FileMetaInformationGroupLength
    content = path.read_bytes()
    inflated = zlib.decompress(content[start:], -zlib.MAX_WBITS)
    inflated += struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, most)
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(inflated) + packer.flush(zlib.Z_FULL_FLUSH)
    # Zeros packed once and repeated: a full flush lets blocks stand one after the other.
    block = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(content[:start] + packed + block * (most // 2**24 + 1) + packer.flush())


def _after_the_image(path: Path) -> None:
    """An image whose packed stream goes on with 2 GiB of zeros after the last pixel."""
    path.write_bytes(zipped_nifti(path).read_bytes() + gzip.compress(bytes(_ZEROS), mtime=0) * 16)


def _nrrd_bomb() -> bytes:
    header = f"NRRD0004\ntype: uint16\ndimension: 2\nsizes: {WIDTH} {HEIGHT}\nendian: little\nencoding: gzip\n\n"
    return header.encode() + gzip.compress(bytes(_ZEROS), mtime=0) * 16


def _metaimage_bomb() -> bytes:
    header = (
        "ObjectType = Image\nNDims = 2\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = True\n"
        f"DimSize = {WIDTH} {HEIGHT}\nElementType = MET_USHORT\nElementDataFile = LOCAL\n"
    )
    return header.encode() + _deflated_zeros(_ZEROS * 4)


def _sparse_dicom(path: Path) -> None:
    write_image(path, image(12), 12)
    with path.open("r+b") as file:
        file.truncate(2**36)  # 64 GiB that take no room on the disk


_LARGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "huge.png": ("huge header", _bytes(lambda: _png(_HUGE, _HUGE, data=zlib.compress(bytes(500))))),
    "huge.jpg": ("huge header", _huge_picture),
    "huge.tif": ("huge header", _huge_picture),
    "huge.bmp": ("huge header", _huge_picture),
    "huge.dcm": ("huge header", _huge_dicom),
    "huge.nii": ("huge header", _huge_nifti),
    "huge.nii.gz": ("huge header", _huge_nifti),
    "huge 2.nii": ("huge header", _huge_nifti_2),
    "huge.mha": ("huge header", _bytes(_huge_metaimage)),
    "huge.nrrd": ("huge header", _bytes(_huge_nrrd)),
    "sparse.dcm": ("huge file", _sparse_dicom),
    "bomb.png": ("huge header", _bytes(lambda: _png(_HUGE, _HUGE, data=_deflated_zeros(_HUGE * _HUGE // 10)))),
    # a small image before whose pixels, or after whose last row, 128 MiB inflate
    "bomb zTXt.png": (
        "bomb in a note",
        _bytes(lambda: small_png(_chunk(b"zTXt", b"a\0\0" + _deflated_zeros(_ZEROS)))),
    ),
    "bomb iTXt.png": (
        "bomb in a note",
        _bytes(lambda: small_png(_chunk(b"iTXt", b"a\0\1\0\0\0" + _deflated_zeros(_ZEROS)))),
    ),
    "bomb iCCP.png": (
        "bomb in a note",
        _bytes(lambda: small_png(_chunk(b"iCCP", b"a\0\0" + _deflated_zeros(_ZEROS)))),
    ),
    "bomb rows.png": (
        "bomb after the rows",
        _bytes(lambda: _png(WIDTH, HEIGHT, data=_packed_before_zeros(_rows(), _ZEROS))),
    ),
    "bomb deflated.dcm": ("bomb", _deflated_dicom_bomb),
    "bomb after the image.nii.gz": ("bomb", _after_the_image),
    "bomb.nrrd": ("bomb", _bytes(_nrrd_bomb)),
    "bomb.mha": ("bomb", _bytes(_metaimage_bomb)),
    "bomb of zeros.nii.gz": ("no image", _bytes(lambda: gzip.compress(bytes(_ZEROS)))),
}
