"""Hundreds of ways to spoil good images, and what is none."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    BasicTextSRStorage,
    ExplicitVRLittleEndian,
)

from tests.data.golden_dicom import write_image
from tests.data.good_images import GOOD, HEIGHT, image
from tests.data.large_images import small_png, write_large_images

FLIPS = 3
"""How many spoiled copies of each format have bytes flipped."""


@dataclass(frozen=True)
class Spoiled:
    """A file that a run has to get over.

    Attributes:
        name: its path under the folder, as ``list_images`` names it.
        kind: what was done to it; with `image_format` the key of the table of what is expected.
        image_format: a key of `GOOD`, or empty.
    """

    name: str
    kind: str
    image_format: str = ""


def write_spoiled_images(folder: Path, good: dict[str, Path]) -> list[Spoiled]:
    """Everything at once: each format cut, flipped, renamed and emptied, false and huge headers, bombs, odd names."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for spoiled, content in _of_every_format(good):
        target = folder / spoiled.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
        made.append(spoiled)
    made += [Spoiled(name, kind) for name, kind in write_large_images(folder).items()]
    for name, (kind, content) in _no_images().items():
        (folder / name).write_bytes(content)
        made.append(Spoiled(name, kind))
    return [*made, *_dicom_without_an_image(folder), *_odd_names(folder, good), *_odd_entries(folder, good)]


def flipped(content: bytes, seed: int, first: int, last: int) -> bytes:
    """A copy with one to eight bytes changed, all of them between two places."""
    random = np.random.default_rng(seed)
    changed = bytearray(content)
    for position in random.integers(first, last, random.integers(1, 9)):
        changed[position] ^= int(random.integers(1, 256))
    return bytes(changed)


def _of_every_format(good: dict[str, Path]) -> Iterator[tuple[Spoiled, bytes]]:
    wrong = {"png": "dcm", "jpg": "nii", "tif": "jpg", "bmp": "png", "dcm": "png", "nii": "mha", "nii.gz": "dcm"}
    for number, (name, path) in enumerate(good.items()):
        content, suffix = path.read_bytes(), GOOD[name][0]
        dot = "." + suffix if suffix else ""
        for percent in (5, 35, 65, 95):
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


# ---- what is no image at all
# ------------------------------------------------------------------------------------------


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2**22))
        archive.writestr("image.png", small_png())
    return out.getvalue()


def _no_images() -> dict[str, tuple[str, bytes]]:
    page = b"<!DOCTYPE html><html><head><title>404</title></head><body>Not found</body></html>\n" * 20
    words = b"These are the images of Tuesday.\n" * 50
    noise = np.random.default_rng(1).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    return {
        "text.png": ("no image", words),
        "text.dcm": ("no image", words),
        "text.mha": ("no image", words),
        "text without a suffix": ("no image", words),
        "page.png": ("no image", page),
        "page.jpg": ("no image", page),
        "page.dcm": ("no image", page),
        "archive.png": ("no image", _zip()),
        "archive.dcm": ("no image", _zip()),
        "archive without a suffix": ("no image", _zip()),
        "paper.dcm": ("no image", b"%PDF-1.7\n" + noise),
        "image.gif": ("no image", b"GIF89a" + noise),
        "noise.nii.gz": ("no image", b"\x1f\x8b\x08\x00" + noise),
        "noise.png": ("no image", noise),
        "one byte.png": ("no image", b"\x89"),
        "a newline.nrrd": ("no image", b"\n"),
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
        "magic and noise.dcm": ("no image", bytes(128) + b"DICM" + noise),
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
        "elsewhere.hdr": ("pixels elsewhere", nib.Nifti1Pair(image(8), np.eye(4)).header.binaryblock),
        # left out by their names
        "archive.zip": ("left out", _zip()),
        "notes.txt": ("left out", words),
        "Thumbs.db": ("left out", noise),
        "README": ("left out", words),
    }


def _dicom_without_an_image(folder: Path) -> list[Spoiled]:
    report = Dataset()
    report.SOPClassUID, report.SOPInstanceUID = BasicTextSRStorage, "1.2.3"
    report.Modality, report.PatientName, report.ValueType = "SR", "Secret^Patient", "CONTAINER"
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID
    pydicom.dcmwrite(folder / "report.dcm", report, enforce_file_format=True)
    write_image(folder / "no pixels.dcm", image(12), 12, PixelData=None)
    write_image(folder / "too few pixels.dcm", image(12)[:40], 12, Rows=HEIGHT)
    write_image(folder / "lateral.dcm", image(12), 12, ViewPosition="LL")
    write_image(folder / "child.dcm", image(12), 12, PatientAge="009Y")
    write_image(folder / "capture.dcm", image(12), 12, Modality="OT")
    return [
        Spoiled("report.dcm", "no image"),
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
    (folder / ".hidden" / "image.png").write_bytes(content)
    os.mkfifo(folder / "pipe.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "itself.png").symlink_to("itself.png")
    (folder / "endless.png").symlink_to("/dev/zero")
    (folder / "link.png").symlink_to(good["png"])
    (folder / "folder.png" / "up").symlink_to(folder, target_is_directory=True)
    return [
        Spoiled("folder.png/inside.png", "odd name", "png"),
        Spoiled("empty folder.png", "left out"),
        Spoiled(".hidden/image.png", "left out"),
        Spoiled("pipe.png", "left out"),
        Spoiled("folder.png/up", "left out"),
        Spoiled("dangling.png", "no file"),
        Spoiled("itself.png", "no file"),
        Spoiled("endless.png", "no file"),
        Spoiled("link.png", "odd name", "png"),
    ]
