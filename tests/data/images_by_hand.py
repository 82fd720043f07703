"""Hand-made images with one bright block off center, so that a turned, mirrored or clipped image is found out."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from monai_tbkd.data import ImageError, ReasonCode
from monai_tbkd.data.readers import decode_image

ROWS, COLUMNS = slice(2, 8), slice(24, 34)


# tags of an image that nothing is to be said against
ADULT_CHEST_PA = {
    "BodyPartExamined": "CHEST",
    "ViewPosition": "PA",
    "PatientAge": "040Y",
    "PatientOrientation": ["L", "F"],
}


def block_image(value: int = 200, dtype: Any = np.uint8, background: int = 10) -> NDArray[Any]:
    """A 30 x 40 image (height x width), bright in rows 2-7 and columns 24-33: upper right, so no two turns agree."""
    image = np.full((30, 40), background, dtype=dtype)
    image[ROWS, COLUMNS] = value
    return image


def assert_block(pixels: Any, inside: float, outside: float, tolerance: float = 0) -> None:
    """The image is upright, rows first, with exactly these values."""
    pixels = np.asarray(pixels)
    assert pixels.shape == (30, 40)
    expected = np.full((30, 40), outside, dtype=np.float64)
    expected[ROWS, COLUMNS] = inside
    np.testing.assert_allclose(pixels, expected, atol=tolerance)


def make_dicom(path: Path, stored: NDArray[Any], headless: bool = False, **elements: Any) -> Path:
    """A small DX file; elements by keyword replace or add."""
    ds = pydicom.Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    ds.SOPInstanceUID = generate_uid(entropy_srcs=["image"])
    ds.PatientName = "Secret^Patient"
    ds.PatientID = "secret-id"
    ds.Modality = "DX"
    ds.Rows, ds.Columns = stored.shape[-2:]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = stored.dtype.itemsize * 8
    ds.BitsStored = 12 if stored.dtype.itemsize == 2 else 8
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds.PixelData = stored.tobytes()
    ds["PixelData"].VR = "OW" if stored.dtype.itemsize == 2 else "OB"
    for key, value in elements.items():
        setattr(ds, key, value)
    if headless:
        # Implicit VR is what such files are in practice.
        pydicom.dcmwrite(path, ds, implicit_vr=True, little_endian=True)
    else:
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def noise_png(path: Path, side: int = 32, seed: int = 0) -> Path:
    """A PNG that does not compress, so that cutting its file cuts pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)).save(path, format="PNG")
    return path


def refusal(path: Path, **how: Any) -> ReasonCode:
    """Why `decode_image` refuses a file."""
    with pytest.raises(ImageError) as caught:
        decode_image(path, **how)
    return caught.value.reason


def cut(path: Path, fraction: float = 0.6) -> Path:
    """Keep the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    return path


def put_text(path: Path, keyword: str, vr: str, value: str) -> None:
    """Put a text of any kind into an element of a DICOM file, under a VR that pydicom would not write it with."""
    ds = pydicom.dcmread(path)
    ds.add_new(keyword, "LO", value)
    ds.save_as(path)
    tag = struct.pack("<HH", *divmod(pydicom.tag.Tag(keyword), 2**16))
    content = path.read_bytes()
    assert content.count(tag + b"LO") == 1
    path.write_bytes(content.replace(tag + b"LO", tag + vr.encode()))


def without_element(path: Path, start: bytes) -> None:
    """Cut an element of explicit VR out of the meta header of a DICOM file; `start` is its tag and VR."""
    content = path.read_bytes()
    position = content.index(start)
    length = 8 + int.from_bytes(content[position + 6 : position + 8], "little")
    content = content[:position] + content[position + length :]
    group = content.index(b"\x02\0\0\0UL\x04\0") + 8
    left = int.from_bytes(content[group : group + 4], "little") - length
    path.write_bytes(content[:group] + left.to_bytes(4, "little") + content[group + 4 :])
