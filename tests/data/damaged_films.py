"""Good films in every format, and hundreds of ways to spoil them."""

from __future__ import annotations

import gzip
import importlib.util
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from tests.data.golden_dicom import by_gdcm, in_rle, write_film

HEIGHT, WIDTH = 88, 72
FLIPS = 6
"""How many spoiled copies of each format have bytes flipped."""
_HUGE = 40_000
_ZEROS = 2**27
"""What a bomb inflates to, in bytes."""


@dataclass(frozen=True)
class Spoiled:
    """A file that a run has to get over.

    Attributes:
        name: its path under the folder, as ``list_films`` names it.
        kind: what was done to it; with `film_format` the key of the table of what is expected.
        film_format: a key of `GOOD`, or empty.
    """

    name: str
    kind: str
    film_format: str = ""


def film(bits: int, name: str = "") -> NDArray[Any]:
    """A slope with noise, so that it does not compress away, and a bright patch; each name has its own."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    values = 0.5 * (rows + columns) / (HEIGHT + WIDTH) + 0.2 * random.random((HEIGHT, WIDTH))
    top, left = random.integers(4, (HEIGHT - 40, WIDTH - 40))
    values[top : top + 36, left : left + 36] += 0.3
    return np.rint(values * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def _picture(bits: int, **options: Any) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        Image.fromarray(film(bits, path.name)).save(path, **options)
        return path

    return write


def _dicom(syntax: str, then: Callable[[Path], Path] | None = None, bits: int = 12) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        write_film(
            path, film(bits, path.name), bits, syntax=syntax, ImageComments="Standing, in full inspiration. " * 8
        )
        return then(path) if then else path

    return write


def _deflated(path: Path) -> Path:
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.save_as(path)
    return path


def _headless(path: Path) -> Path:
    return write_film(path, film(12, path.name), 12, syntax=ImplicitVRLittleEndian, headless=True)


def _nifti(path: Path) -> Path:
    packed = path.with_name(f"of-{path.name}.nii")
    nib.save(nib.Nifti1Image(film(16, path.name).T, np.diag([-0.2, -0.2, 1.0, 1.0])), packed)
    return packed.rename(path)


def _zipped_nifti(path: Path) -> Path:
    path.write_bytes(gzip.compress(_nifti(path).read_bytes(), mtime=0))
    return path


def _itk(suffix: str, compression: bool) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        named = path.with_name(f"of-{path.name}.{suffix}")  # ITK chooses the format by the suffix
        itk.imwrite(itk.image_from_array(film(16, path.name)), str(named), compression=compression)
        return named.rename(path)

    return write


def _by_gdcm(syntax: str) -> Callable[[Path], Path]:
    return lambda path: by_gdcm(path, syntax)


GOOD: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "png": ("png", _picture(8, format="PNG")),
    "png16": ("png", _picture(16, format="PNG")),
    "jpeg": ("jpg", _picture(8, format="JPEG", quality=90)),
    "jpeg_progressive": ("jpg", _picture(8, format="JPEG", quality=90, progressive=True)),
    "tiff": ("tif", _picture(16, format="TIFF")),
    "tiff_lzw": ("tif", _picture(16, format="TIFF", compression="tiff_lzw")),
    "tiff_deflate": ("tif", _picture(8, format="TIFF", compression="tiff_adobe_deflate")),
    "bmp": ("bmp", _picture(8, format="BMP")),
    "dicom": ("dcm", _dicom(ExplicitVRLittleEndian)),
    "dicom_implicit": ("dcm", _dicom(ImplicitVRLittleEndian)),
    "dicom_big_endian": ("dcm", _dicom(ExplicitVRBigEndian)),
    "dicom_deflated": ("dcm", _dicom(ExplicitVRLittleEndian, _deflated)),
    "dicom_rle": ("dcm", _dicom(ExplicitVRLittleEndian, in_rle)),
    "dicom_headless": ("", _headless),
    "nifti": ("nii", _nifti),
    "nifti_gz": ("nii.gz", _zipped_nifti),
    "metaimage": ("mha", _itk("mha", False)),
    "metaimage_packed": ("mha", _itk("mha", True)),
    "nrrd": ("nrrd", _itk("nrrd", False)),
    "nrrd_packed": ("nrrd", _itk("nrrd", True)),
}
"""Suffix and writer of each format."""
if importlib.util.find_spec("gdcm"):
    GOOD |= {
        "dicom_jpeg": ("dcm", _dicom(ExplicitVRLittleEndian, _by_gdcm(JPEGBaseline8Bit), bits=8)),
        "dicom_jpeg_lossless": ("dcm", _dicom(ExplicitVRLittleEndian, _by_gdcm(JPEGLosslessSV1))),
        "dicom_jpeg_ls": ("dcm", _dicom(ExplicitVRLittleEndian, _by_gdcm(JPEGLSLossless))),
        "dicom_jpeg_2000": ("dcm", _dicom(ExplicitVRLittleEndian, _by_gdcm(JPEG2000Lossless))),
    }


def write_good_films(folder: Path) -> dict[str, Path]:
    """A whole film of every format: ``{format: path}``."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        name: write(folder / (f"good {name}.{suffix}" if suffix else f"good {name}"))
        for name, (suffix, write) in GOOD.items()
    }


def write_spoiled_films(folder: Path, good: dict[str, Path]) -> list[Spoiled]:
    """Everything at once: each format cut, flipped, renamed and emptied, false and huge headers, bombs, odd names."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for spoiled, content in _of_every_format(good):
        target = folder / spoiled.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
        made.append(spoiled)
    made += write_large_films(folder)
    for name, (kind, content) in _no_films().items():
        (folder / name).write_bytes(content)
        made.append(Spoiled(name, kind))
    return [*made, *_dicom_without_a_film(folder), *_odd_names(folder, good), *_odd_entries(folder, good)]


def write_large_films(folder: Path) -> list[Spoiled]:
    """Films with false and huge headers, and bombs."""
    for name, (_, write) in _LARGE.items():
        write(folder / name)
    return [Spoiled(name, kind) for name, (kind, _) in _LARGE.items()]


def flipped(content: bytes, seed: int, first: int, last: int) -> bytes:
    """A copy with one to eight bytes changed, all of them between two places."""
    random = np.random.default_rng(seed)
    changed = bytearray(content)
    for place in random.integers(first, last, random.integers(1, 9)):
        changed[place] ^= int(random.integers(1, 256))
    return bytes(changed)


def _of_every_format(good: dict[str, Path]) -> Iterator[tuple[Spoiled, bytes]]:
    wrong = {"png": "dcm", "jpg": "nii", "tif": "jpg", "bmp": "png", "dcm": "png", "nii": "mha", "nii.gz": "dcm"}
    for number, (name, path) in enumerate(good.items()):
        content, suffix = path.read_bytes(), GOOD[name][0]
        dot = "." + suffix if suffix else ""
        for percent in range(5, 100, 5):
            yield Spoiled(f"cut/{name} {percent}{dot}", "cut", name), content[: len(content) * percent // 100]
        for flip in range(FLIPS):
            seed, size = 100 * number + flip, len(content)
            pixels = flipped(content, seed, size // 2, size - 64)
            yield Spoiled(f"flip/{name} {flip}{dot}", "flipped pixels", name), pixels
            header = flipped(content, seed, 8, size // 10)
            yield Spoiled(f"flip/{name} {flip} header{dot}", "flipped header", name), header
        yield Spoiled(f"tail/{name}{dot}", "without its last byte", name), content[:-1]
        yield Spoiled(f"suffix/{name}.{wrong.get(suffix, 'png')}", "wrong suffix", name), content
        yield Spoiled(f"empty/{name}{dot}", "empty", name), b""
        yield Spoiled(f"zeros/{name}{dot}", "zeros", name), bytes(len(content))


# ---- headers of films that would fill the memory, and bombs ----------------------------------------------------------


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


def _small_png(*chunks: bytes) -> bytes:
    return _png(WIDTH, HEIGHT, *chunks, data=zlib.compress(_rows()))


def _rows() -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in film(8))


def _bytes(content: Callable[[], bytes]) -> Callable[[Path], None]:
    return lambda path: (path.write_bytes(content()), None)[1]


def _huge_picture(path: Path) -> None:
    """A small picture whose size fields are overwritten."""
    suffix, out = path.suffix, io.BytesIO()
    Image.fromarray(film(8)).save(out, {".jpg": "JPEG", ".tif": "TIFF", ".bmp": "BMP"}[suffix])
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
    write_film(path, film(12), 12, Rows=_HUGE, Columns=_HUGE)


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
    write_film(path, film(12), 12, syntax=ExplicitVRLittleEndian)
    make_deflated_bomb(path, 2 * 10**9)  # ten times what any film has


def make_deflated_bomb(path: Path, most: int) -> None:
    """Give a DICOM film pixel data that inflate to so many bytes; rows and columns stay."""
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


def _after_the_film(path: Path) -> None:
    """A film whose packed stream goes on with 2 GiB of zeros after the last pixel."""
    path.write_bytes(_zipped_nifti(path).read_bytes() + gzip.compress(bytes(_ZEROS), mtime=0) * 16)


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
    write_film(path, film(12), 12)
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
    # a small film before whose pixels, or after whose last row, 128 MiB inflate
    "bomb zTXt.png": (
        "bomb in a note",
        _bytes(lambda: _small_png(_chunk(b"zTXt", b"a\0\0" + _deflated_zeros(_ZEROS)))),
    ),
    "bomb iTXt.png": (
        "bomb in a note",
        _bytes(lambda: _small_png(_chunk(b"iTXt", b"a\0\1\0\0\0" + _deflated_zeros(_ZEROS)))),
    ),
    "bomb iCCP.png": (
        "bomb in a note",
        _bytes(lambda: _small_png(_chunk(b"iCCP", b"a\0\0" + _deflated_zeros(_ZEROS)))),
    ),
    "bomb rows.png": (
        "bomb after the rows",
        _bytes(lambda: _png(WIDTH, HEIGHT, data=_packed_before_zeros(_rows(), _ZEROS))),
    ),
    "bomb deflated.dcm": ("bomb", _deflated_dicom_bomb),
    "bomb after the film.nii.gz": ("bomb", _after_the_film),
    "bomb.nrrd": ("bomb", _bytes(_nrrd_bomb)),
    "bomb.mha": ("bomb", _bytes(_metaimage_bomb)),
    "bomb of zeros.nii.gz": ("no film", _bytes(lambda: gzip.compress(bytes(_ZEROS)))),
}


# ---- what is no film at all ------------------------------------------------------------------------------------------


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2**22))
        archive.writestr("film.png", _small_png())
    return out.getvalue()


def _no_films() -> dict[str, tuple[str, bytes]]:
    page = b"<!DOCTYPE html><html><head><title>404</title></head><body>Not found</body></html>\n" * 20
    words = b"These are the films of Tuesday.\n" * 50
    noise = np.random.default_rng(1).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    return {
        "text.png": ("no film", words),
        "text.dcm": ("no film", words),
        "text.mha": ("no film", words),
        "text without a suffix": ("no film", words),
        "page.png": ("no film", page),
        "page.jpg": ("no film", page),
        "page.dcm": ("no film", page),
        "archive.png": ("no film", _zip()),
        "archive.dcm": ("no film", _zip()),
        "archive without a suffix": ("no film", _zip()),
        "paper.dcm": ("no film", b"%PDF-1.7\n" + noise),
        "film.gif": ("no film", b"GIF89a" + noise),
        "noise.nii.gz": ("no film", b"\x1f\x8b\x08\x00" + noise),
        "noise.png": ("no film", noise),
        "one byte.png": ("no film", b"\x89"),
        "a newline.nrrd": ("no film", b"\n"),
        "only the magic.png": ("only the magic", b"\x89PNG\r\n\x1a\n"),
        "only the magic.jpg": ("only the magic", b"\xff\xd8\xff\xe0"),
        "only the magic.tif": ("only the magic", b"II*\0"),
        "only the magic.nrrd": ("only the magic", b"NRRD0004\n"),
        "only the magic.mha": ("only the magic", b"ObjectType = Image\nNDims = 2\n"),
        "only the magic.dcm": ("only the magic", bytes(128) + b"DICM"),
        "magic and noise.png": ("only the magic", b"\x89PNG\r\n\x1a\n" + noise),
        "magic and noise.jpg": ("only the magic", b"\xff\xd8\xff\xe0" + noise),
        "magic and noise.tif": ("only the magic", b"II*\0" + noise),
        "magic and noise.bmp": ("only the magic", b"BM" + noise[:4] + bytes(4) + noise[:4] + b"\x28\0\0\0" + noise),
        "magic and noise.nrrd": ("only the magic", b"NRRD0004\n" + noise),
        "magic and noise.dcm": ("no film", bytes(128) + b"DICM" + noise),
        "magic and noise.nii": ("only the magic", noise[:344] + b"n+1\0" + noise),
        # another file's pixels: never followed
        "elsewhere.mhd": (
            "pixels elsewhere",
            b"ObjectType = Image\nNDims = 2\nDimSize = 72 88\nElementType = MET_UCHAR\nElementDataFile = huge.png\n",
        ),
        "elsewhere.nhdr": (
            "pixels elsewhere",
            b"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 72 88\nencoding: raw\ndata file: /etc/hostname\n",
        ),
        "elsewhere.hdr": ("pixels elsewhere", nib.Nifti1Pair(film(8), np.eye(4)).header.binaryblock),
        # left out by their names
        "archive.zip": ("left out", _zip()),
        "notes.txt": ("left out", words),
        "Thumbs.db": ("left out", noise),
        "README": ("left out", words),
    }


def _dicom_without_a_film(folder: Path) -> list[Spoiled]:
    report = Dataset()
    report.SOPClassUID, report.SOPInstanceUID = BasicTextSRStorage, "1.2.3"
    report.Modality, report.PatientName, report.ValueType = "SR", "Secret^Patient", "CONTAINER"
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID
    pydicom.dcmwrite(folder / "report.dcm", report, enforce_file_format=True)
    write_film(folder / "no pixels.dcm", film(12), 12, PixelData=None)
    write_film(folder / "too few pixels.dcm", film(12)[:40], 12, Rows=HEIGHT)
    write_film(folder / "lateral.dcm", film(12), 12, ViewPosition="LL")
    write_film(folder / "child.dcm", film(12), 12, PatientAge="009Y")
    write_film(folder / "capture.dcm", film(12), 12, Modality="OT")
    return [
        Spoiled("report.dcm", "no film"),
        Spoiled("no pixels.dcm", "only the magic"),
        Spoiled("too few pixels.dcm", "only the magic"),
        Spoiled("lateral.dcm", "lateral"),
        Spoiled("child.dcm", "child"),
        Spoiled("capture.dcm", "capture"),
    ]


# ---- names and entries of a folder -----------------------------------------------------------------------------------


def _odd_names(folder: Path, good: dict[str, Path]) -> list[Spoiled]:
    names = [
        "  spaces  before and after .png", "Jörg Müller übermüdet.png", "胸部X光片.png", "émoji 🫁.png",
        "quote\"s and 'them.png",
        "comma, semicolon; and tab\t.png", "two\nlines.png", "carriage\rreturn.png",
        "=HYPERLINK(A1).png", "-rf.png", "+1.png", "@sum.png", "--resume.png", "$x @y #z %20 {}[]~.png", "~.png",
        "no suffix", "dots...png", "percent%s%d.png", "x" * 246 + ".png", "ü" * 123 + ".png", "NUL.png",
        os.fsdecode(b"latin-1 \xfcml\xe4ut.png"), os.fsdecode(b"\xff\xfe.png"), "\u202eright to left.png",
        "UPPER.PNG", "deep/" * 20 + "down.png", ".hidden.png",
    ]  # fmt: skip
    content = good["png"].read_bytes()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [Spoiled(name, "odd name", "png") for name in names]


def _odd_entries(folder: Path, good: dict[str, Path]) -> list[Spoiled]:
    content = good["png"].read_bytes()
    (folder / "folder.png").mkdir()
    (folder / "folder.png" / "inside.png").write_bytes(content)
    (folder / "empty folder.png").mkdir()
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "film.png").write_bytes(content)
    os.mkfifo(folder / "pipe.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "itself.png").symlink_to("itself.png")
    (folder / "endless.png").symlink_to("/dev/zero")
    (folder / "link.png").symlink_to(good["png"])
    (folder / "folder.png" / "up").symlink_to(folder, target_is_directory=True)
    return [
        Spoiled("folder.png/inside.png", "odd name", "png"),
        Spoiled("empty folder.png", "left out"),
        Spoiled(".hidden/film.png", "left out"),
        Spoiled("pipe.png", "left out"),
        Spoiled("folder.png/up", "left out"),
        Spoiled("dangling.png", "no file"),
        Spoiled("itself.png", "no file"),
        Spoiled("endless.png", "no file"),
        Spoiled("link.png", "odd name", "png"),
    ]
