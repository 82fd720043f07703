"""Golden DICOM images: complete, unsuspicious tags, structured pixels, and every way of storing them."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    generate_uid,
)

SHAPE = (41, 57)
"""Height x width: neither equal nor even, so that a turned image and a missing pad byte are found out."""


def ramp(low: int, high: int) -> NDArray[np.int64]:
    """A slope from `low` to nearly `high` across and down the image, with a block of `high` upper right and one of
    `low` lower left; no turn or mirror image of it equals it."""
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    image = low + (high - low) * (3 * rows + columns) // (3 * SHAPE[0] + SHAPE[1])
    image[5:12, 40:50] = high
    image[30:36, 3:9] = low
    return image


def mosaic(low: int, high: int) -> NDArray[np.int64]:
    """Flat 8 x 8 blocks of different values: a JPEG of quality 100 keeps them exactly, since nothing but the mean of a
    block (quantized by 1) is stored."""
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] // 8
    steps = (rows * 8 + columns) * 7 % 48
    return low + (high - low) * steps // 47


def lut_item(
    entries: Sequence[int] | NDArray[Any], first: int, bits: int, packed: bool = False, order: str = "<"
) -> list[Dataset]:
    """A LUT sequence of one item; `packed` writes the entries as bytes (OW), two to a word where they have 8 bits."""
    item = Dataset()
    data = np.asarray(entries)
    # The VR of the descriptor follows the sign of what is looked up (PS3.3 C.11.1.1); 65536 entries are written as 0.
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(data) % 65536, first, bits])
    if packed:
        raw = data.astype("u1" if bits == 8 else f"{order}u2").tobytes()
        item.add_new("LUTData", "OW", raw + b"\0" * (len(raw) % 2))
    else:
        item.add_new("LUTData", "US", data.tolist())
    return [item]


def write_image(
    path: Path,
    stored: NDArray[Any],
    bits: int,
    signed: bool = False,
    allocated: int | None = None,
    syntax: str = ExplicitVRLittleEndian,
    headless: bool = False,
    overlay_bits: Sequence[int] = (),
    **elements: Any,
) -> Path:
    """Write an uncompressed CR image of a grown patient's chest; elements by keyword replace or add, None removes.

    Overlays are declared, not drawn, in the `overlay_bits` of the pixels.
    """
    allocated = allocated or (8 if bits <= 8 else 16)
    ds = Dataset()
    ds.SOPClassUID = ComputedRadiographyImageStorage
    ds.SOPInstanceUID = generate_uid(entropy_srcs=["golden", path.name])
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["golden", "study"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["golden", "series"])
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.Modality = "CR"
    ds.PatientName, ds.PatientID, ds.PatientAge = "Secret^Patient", "secret-id", "040Y"
    ds.BodyPartExamined, ds.ViewPosition, ds.PatientOrientation = "CHEST", "PA", ["L", "F"]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = stored.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = allocated, bits, bits - 1
    ds.PixelRepresentation = int(signed)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    raw = stored.astype(f"{order}{'i' if signed else 'u'}{allocated // 8}").tobytes()
    ds.add_new("PixelData", "OB" if allocated == 8 else "OW", raw + b"\0" * (len(raw) % 2))
    for key, value in elements.items():
        if value is None:
            delattr(ds, key)
        elif isinstance(value, list) and value and isinstance(value[0], Dataset):
            ds.add_new(key, "SQ", value)
        else:
            setattr(ds, key, value)
    for group, bit in zip(range(0x6000, 0x6020, 2), overlay_bits, strict=False):
        for element, vr, value in (
            (0x10, "US", ds.Rows), (0x11, "US", ds.Columns), (0x40, "CS", "G"), (0x50, "SS", [1, 1]),
            (0x100, "US", allocated), (0x102, "US", bit),
        ):  # fmt: skip
            ds.add_new((group, element), vr, value)
    if headless:
        pydicom.dcmwrite(
            path, ds, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian
        )
    else:
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = syntax
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def in_rle(path: Path) -> Path:
    """RLE by pydicom's own encoder."""
    ds = pydicom.dcmread(path)
    ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    ds.save_as(path)
    return path


def by_dcmtk(path: Path, tool: str, *options: str) -> Path:
    """Compress by one of dcmtk's tools; the test is skipped where it is not installed."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed (Debian package dcmtk)")
    packed = path.with_suffix(".packed")
    subprocess.run([tool, *options, "+un", path, packed], check=True, capture_output=True)
    return packed.replace(path)


def by_gdcm(path: Path, syntax: str) -> Path:
    """Compress by GDCM; the test is skipped where python-gdcm is not installed."""
    gdcm = pytest.importorskip("gdcm", reason="python-gdcm is not installed (the extra dicom)")
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(syntax))))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return path


def by_pillow(path: Path, syntax: str, pieces: int = 1, offset_table: bool = True, **options: Any) -> Path:
    """Compress by Pillow, and wrap the stream in so many fragments, with or without a basic offset table."""
    ds = pydicom.dcmread(path)
    stored = np.frombuffer(ds.PixelData, f"<u{ds.BitsAllocated // 8}")[: ds.Rows * ds.Columns]
    stream = io.BytesIO()
    image_format = "JPEG2000" if syntax == JPEG2000Lossless else "JPEG"
    Image.fromarray(stored.reshape(ds.Rows, ds.Columns)).save(stream, image_format, **options)
    ds.PixelData = encapsulate([stream.getvalue()], fragments_per_frame=pieces, has_bot=offset_table)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path)
    return path


def syntax_of(path: Path) -> str:
    """The transfer syntax that the file names, or the empty string."""
    meta = pydicom.dcmread(path, force=True, stop_before_pixels=True).file_meta
    return str(meta.get("TransferSyntaxUID", ""))


def seen_by_dcmtk(path: Path, *options: str, into: Path | None = None) -> NDArray[np.float64]:
    """What dcmtk's dcm2pnm (or the sibling that knows the transfer syntax) shows, black 0 to white 1.

    Overlays are left out. Without options that choose a window or VOI LUT, dcm2pnm shows the whole range that the
    stored bits (or what the modality LUT makes of them) can have. The picture goes `into` a folder of its own.
    """
    tool = "dcml2pnm" if syntax_of(path) in (JPEGLSLossless, JPEGLSNearLossless) else "dcmj2pnm"
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed (Debian package dcmtk)")
    shown = (into or path.parent) / "shown.png"
    subprocess.run([tool, "-O", "-S", *options, "+on2", path, shown], check=True, capture_output=True)
    with Image.open(shown) as image:
        values = np.asarray(image).astype(np.float64)
    return values / 65535
