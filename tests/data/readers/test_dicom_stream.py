"""A compressed stream of another size than its header says is refused before a decoder sees it: some of them end the
process. Its depth and sign are read from itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from monai_tbkd.data import ImageWarning, ReasonCode
from monai_tbkd.data.readers import decode_image
from tests.data.golden_dicom import by_dcmtk, by_gdcm, by_pillow, in_rle, mosaic, ramp, write_image
from tests.data.images_by_hand import refusal

PACKED = pytest.mark.parametrize(
    "syntax", [JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1, JPEGBaseline8Bit], ids=lambda uid: uid.name
)
IMAGE = (np.add.outer(np.arange(40), np.arange(56)) * 40).astype(np.uint16)


@pytest.fixture
def packed(tmp_path: Path) -> Callable[[str], Path]:
    def write(syntax: str) -> Path:
        bits = 8 if syntax == JPEGBaseline8Bit else 12
        return by_gdcm(write_image(tmp_path / "a.dcm", IMAGE >> (12 - bits), bits), syntax)

    return write


@PACKED
@pytest.mark.parametrize(("key", "value"), [("Rows", 5000), ("Rows", 20), ("Columns", 57), ("Columns", 5000)])
def test_another_size_than_the_header_says_is_corrupt(
    syntax: str, key: str, value: int, packed: Callable[[str], Path]
) -> None:
    path = packed(syntax)
    assert decode_image(path).pixels.shape == (40, 56)
    ds = pydicom.dcmread(path)
    setattr(ds, key, value)
    ds.save_as(path)
    assert refusal(path) is ReasonCode.CORRUPT


def change(stream: bytes, old: bytes, new: bytes) -> bytes:
    assert stream.count(old) == 1
    return stream.replace(old, new)


# Start of frame: its mark, length, bits, rows, columns, samples.
_FRAME = {JPEGLSLossless: b"\xff\xf7\0\x0b\x10", JPEGLosslessSV1: b"\xff\xc3\0\x0b\x10"}


@pytest.mark.parametrize("syntax", list(_FRAME), ids=lambda uid: uid.name)
@pytest.mark.parametrize("damage", ["rows", "no start of frame", "cut short", "nothing"])
def test_a_damaged_start_or_a_missing_end_is_corrupt(syntax: str, damage: str, packed: Callable[[str], Path]) -> None:
    path = packed(syntax)
    ds = pydicom.dcmread(path)
    stream = get_frame(ds.PixelData, 0, number_of_frames=1).rstrip(b"\0")
    frame = _FRAME[syntax]
    spoil = {
        "rows": partial(change, old=frame + b"\0\x28", new=frame + b"\0\x08"),
        "no start of frame": partial(change, old=frame[:2], new=b"\xff\xfe"),
        "cut short": lambda stream: stream[: len(stream) * 3 // 4],
        "nothing": lambda stream: bytes(2),
    }[damage]
    ds.PixelData = encapsulate([spoil(stream)])
    ds.save_as(path)
    assert refusal(path) is ReasonCode.CORRUPT


# ---- depth and sign: the stream counts -------------------------------------------------------------------------------

WRITERS: dict[str, Callable[[Path], Path]] = {
    "JPEG 2000": partial(by_gdcm, syntax=JPEG2000Lossless),
    "JPEG Lossless": partial(by_gdcm, syntax=JPEGLosslessSV1),
    "JPEG-LS": partial(by_gdcm, syntax=JPEGLSLossless),
    "RLE": in_rle,
    "uncompressed": lambda path: path,
}


def relabelled(path: Path, stored: int, signed: bool, allocated: int = 16) -> Path:
    ds = pydicom.dcmread(path)
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation, ds.BitsAllocated = stored, stored - 1, int(signed), allocated
    ds.save_as(path)
    return path


@pytest.mark.parametrize("stored", [10, 12])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("writer", WRITERS)
def test_values_above_bits_stored_are_neither_wrapped_nor_masked(
    writer: str, signed: bool, stored: int, tmp_path: Path
) -> None:
    values = ramp(-32768, 32767) if signed else ramp(0, 65535)
    path = WRITERS[writer](write_image(tmp_path / "a.dcm", values, 16, signed=signed))
    image = decode_image(relabelled(path, stored, signed))
    np.testing.assert_array_equal(image.pixels, values)
    assert image.warnings == [ImageWarning.BITS_DOUBTFUL]
    header = f"BitsStored {stored}, HighBit {stored - 1} and PixelRepresentation {int(signed)}"
    assert image.steps == [f"read as 16 {'signed' if signed else 'unsigned'} bits, which {header} contradict"]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("writer", ["uncompressed", "JPEG 2000"])
def test_a_marker_above_bits_stored_stays_bright(writer: str, photometric: str, tmp_path: Path) -> None:
    values = ramp(500, 3000)
    values[10:16, :20] = 65535
    path = write_image(tmp_path / "a.dcm", values, 16, PhotometricInterpretation=photometric)
    image = decode_image(relabelled(WRITERS[writer](path), 12, False))
    right = values.clip(0, 4095)
    np.testing.assert_array_equal(image.pixels, 4095 - right if photometric == "MONOCHROME1" else right)
    assert image.warnings == [ImageWarning.BITS_DOUBTFUL]
    header = "BitsStored 12, HighBit 11 and PixelRepresentation 0"
    assert image.steps[0] == f"values outside {header} clipped to them"


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("allocated", [8, 16])
def test_jpeg_2000_is_read_by_its_own_depth_and_sign(bits: int, signed: bool, allocated: int, tmp_path: Path) -> None:
    half = 2 ** (bits - 1) if signed else 0
    values = ramp(-half, 2**bits - 1 - half)
    path = by_gdcm(write_image(tmp_path / "a.dcm", values, bits, signed=signed), JPEG2000Lossless)
    for stored in (8, allocated):
        image = decode_image(relabelled(path, stored, not signed, allocated))
        np.testing.assert_array_equal(image.pixels, values)


def test_signed_values_in_an_unsigned_stream_stay_signed(tmp_path: Path) -> None:
    # What some writers make: the two's complement of the header in a JPEG 2000 stream that calls it unsigned.
    values = ramp(-2048, 2047)
    path = by_gdcm(write_image(tmp_path / "a.dcm", values & 0xFFF, 12), JPEG2000Lossless)
    np.testing.assert_array_equal(decode_image(relabelled(path, 12, True)).pixels, values)


@pytest.mark.parametrize(("stored", "allocated"), [(8, 16), (12, 16), (16, 16), (8, 8)])
def test_jpeg_baseline_of_8_bits_under_any_header(stored: int, allocated: int, tmp_path: Path) -> None:
    values = mosaic(0, 255)
    path = by_pillow(write_image(tmp_path / "a.dcm", values, 8), JPEGBaseline8Bit, quality=100)
    image = decode_image(relabelled(path, stored, False, allocated))
    np.testing.assert_array_equal(image.pixels, values)
    assert image.warnings == []


@pytest.mark.parametrize("writer", WRITERS)
def test_fewer_bits_than_the_header_says(writer: str, tmp_path: Path) -> None:
    if writer == "uncompressed":
        pytest.skip("its cells have the header's size")
    if writer == "JPEG Lossless":
        pytest.skip("GDCM's encoder does not make it of 8 bits")
    values = ramp(0, 255)
    path = relabelled(WRITERS[writer](write_image(tmp_path / "a.dcm", values, 8)), 16, False)
    np.testing.assert_array_equal(decode_image(path).pixels, values)


def test_the_window_is_applied_to_the_whole_value(tmp_path: Path) -> None:
    values = ramp(0, 65535)
    window = {"WindowCenter": 32768, "WindowWidth": 65536, "PhotometricInterpretation": "MONOCHROME1"}
    path = write_image(tmp_path / "a.dcm", values, 16, **window)
    image = decode_image(relabelled(by_gdcm(path, JPEG2000Lossless), 12, False))
    np.testing.assert_allclose(image.pixels, 65535 - values, atol=0.1)


@pytest.mark.system
def test_jpeg_of_12_bits_under_a_header_of_fewer_or_more(tmp_path: Path) -> None:
    values = mosaic(0, 4095)
    path = by_dcmtk(write_image(tmp_path / "a.dcm", values, 12), "dcmcjpeg", "+ee", "+q", "100")
    for stored, allocated, signed in ((8, 8, False), (10, 16, False), (16, 16, False), (16, 16, True)):
        image = decode_image(relabelled(path, stored, signed, allocated))
        np.testing.assert_array_equal(image.pixels, values)


def renamed(path: Path, syntax: str, form: str = "as it is") -> Path:
    """The file under another transfer syntax, which pydicom does not write; a stream in fragments or bare."""
    ds = pydicom.dcmread(path)
    if form == "bare":
        ds.PixelData = get_frame(ds.PixelData, 0, number_of_frames=1)
        ds["PixelData"].is_undefined_length = False
    meta, ds.file_meta.TransferSyntaxUID = ds.file_meta, UID(syntax)
    del ds.file_meta, ds.preamble
    with path.open("wb") as file:
        file.write(bytes(128) + b"DICM")
        pydicom.filewriter.write_file_meta_info(file, meta)
        pydicom.dcmwrite(file, ds, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    return path


@PACKED
@pytest.mark.parametrize("form", ["fragments", "bare"])
@pytest.mark.parametrize("named", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
def test_a_stream_under_another_syntax_is_read_as_what_it_is(
    syntax: str, form: str, named: str, packed: Callable[[str], Path]
) -> None:
    path = packed(syntax)
    expected = decode_image(path)
    if named == syntax and form == "fragments":
        return
    image = decode_image(renamed(path, named, form))
    np.testing.assert_array_equal(image.pixels, expected.pixels)
    assert image.warnings == [ImageWarning.SYNTAX_DOUBTFUL]
    assert image.steps[0].startswith("read as JPEG")


@PACKED
def test_native_pixels_under_the_syntax_of_a_stream(syntax: str, tmp_path: Path) -> None:
    path = renamed(write_image(tmp_path / "a.dcm", IMAGE, 12), syntax)
    image = decode_image(path)
    np.testing.assert_array_equal(image.pixels, IMAGE)
    assert image.warnings == [ImageWarning.SYNTAX_DOUBTFUL]


@pytest.mark.parametrize("form", ["fragments", "bare"])
def test_half_a_stream_under_a_native_syntax_is_corrupt(form: str, packed: Callable[[str], Path]) -> None:
    path = packed(JPEGLosslessSV1)
    ds = pydicom.dcmread(path)
    stream = get_frame(ds.PixelData, 0, number_of_frames=1)
    ds.PixelData = encapsulate([stream[: len(stream) // 2]])
    ds.save_as(path)
    assert refusal(renamed(path, ExplicitVRLittleEndian, form)) is ReasonCode.CORRUPT
