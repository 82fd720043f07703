from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from monai_tbkd.data import ImageError, ImageWarning, ReasonCode
from monai_tbkd.data.readers import decode_image, whole_image_size
from monai_tbkd.data.readers.dicom_file import read_dicom_header
from tests.data.golden_dicom import by_pillow, in_rle, ramp, write_image
from tests.data.images_by_hand import (
    ADULT_CHEST_PA,
    assert_block,
    block_image,
    cut,
    make_dicom,
    put_text,
    refusal,
    without_element,
)
from tests.data.large_images import make_deflated_bomb


def image_of(tmp_path: Path, value: int = 2085, background: int = 100, **elements: Any) -> Any:
    return decode_image(make_dicom(tmp_path / "a", block_image(value, np.uint16, background), **elements))


def test_monochrome2_keeps_its_values(tmp_path: Path) -> None:
    image = image_of(tmp_path)
    assert_block(image.pixels, 2085, 100)
    assert image.source_format == "dicom"
    assert image.sop_instance_uid
    assert whole_image_size(tmp_path / "a") == (30, 40)


def test_the_order_is_rescale_then_window_then_inversion(tmp_path: Path) -> None:
    # Stored 2085 and 100 become 4070 and 100; the window spans 0..4096 of the range -100..8090, and is then inverted.
    image = image_of(
        tmp_path, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=2048, WindowWidth=4096,
        PhotometricInterpretation="MONOCHROME1",
    )  # fmt: skip
    low, high = -100.0, 2 * 4095 - 100.0

    def windowed(value: float) -> float:
        return ((value - 2047.5) / 4095 + 0.5) * (high - low) + low

    assert_block(image.pixels, low + high - windowed(4070), low + high - windowed(100), tolerance=0.01)
    assert image.steps == ["rescaled by 2 and -100", "first VOI window applied", "inverted"]


def test_only_the_first_window_counts_and_none_leaves_it_out(tmp_path: Path) -> None:
    path = make_dicom(
        tmp_path / "a", block_image(2085, np.uint16, 100), WindowCenter=[2048, 50], WindowWidth=[2000, 10]
    )
    image = decode_image(path)
    assert image.pixels.min() == 0
    assert image.pixels.max() == pytest.approx(((2085 - 2047.5) / 1999 + 0.5) * 4095, rel=1e-5)
    assert_block(decode_image(path, voi="none").pixels, 2085, 100)


@pytest.mark.parametrize("element", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize(
    "value", ["nan", "1e300", "inf", "1,0", "NA", "[1, 1]", "Secret^Patient", "12 PN Secret", "secret patient"]
)
def test_a_rescale_that_is_no_number_is_named(tmp_path: Path, element: str, value: str) -> None:
    path = make_dicom(tmp_path / "a", block_image(2085, np.uint16, 100), RescaleSlope=2, RescaleIntercept=0)
    put_text(path, element, "DS", value)
    with pytest.raises(ImageError, match=f"{element} is .* expected a number") as caught:
        decode_image(path)
    assert caught.value.reason is ReasonCode.UNREADABLE_TAG
    assert ("secret" in value.lower()) != (repr(value) in str(caught.value))  # a name is not quoted


def test_a_window_without_width_is_ignored(tmp_path: Path) -> None:
    image = image_of(tmp_path, WindowCenter=50, WindowWidth=0)
    assert_block(image.pixels, 2085, 100)
    assert image.steps == ["VOI window of no width ignored"]


def test_signed_values_and_padding(tmp_path: Path) -> None:
    stored = block_image(500, np.int16, -200)
    stored[20:, :5] = -2000
    image = decode_image(make_dicom(tmp_path / "a", stored, PixelPaddingValue=-2000))
    assert_block(image.pixels, 500, -200)
    assert image.steps == ["pixel padding set to the darkest"]


def test_headless_file_with_pixels_is_read(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a", block_image(2085, np.uint16, 100), headless=True)
    assert path.read_bytes()[128:132] != b"DICM"
    assert_block(decode_image(path).pixels, 2085, 100)


def test_what_only_looks_like_a_headless_file_is_not_an_image(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\x08\x00" + bytes(range(256)) * 20)
    assert refusal(path) is ReasonCode.NOT_AN_IMAGE


@pytest.mark.parametrize("fraction", [0.5, 0.9, 0.99])
def test_cut_file_is_corrupt(tmp_path: Path, fraction: float) -> None:
    path = cut(make_dicom(tmp_path / "a", block_image(2085, np.uint16, 100)), fraction)
    assert refusal(path) is ReasonCode.CORRUPT


def test_fewer_pixels_than_the_header_says_are_corrupt(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a", block_image(2085, np.uint16, 100), Rows=60)
    assert refusal(path) is ReasonCode.CORRUPT


def test_frames_color_and_no_pixels_are_refused(tmp_path: Path) -> None:
    stack = np.stack([block_image(9, np.uint16)] * 2)
    assert refusal(make_dicom(tmp_path / "a", stack, NumberOfFrames=2)) is ReasonCode.MULTI_FRAME
    color = np.zeros((30, 40, 3), np.uint8)
    path = make_dicom(
        tmp_path / "b", color, SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB",
        Rows=30, Columns=40,
    )  # fmt: skip
    assert refusal(path) is ReasonCode.COLOR
    ds = pydicom.dcmread(make_dicom(tmp_path / "c", block_image(9, np.uint16)))
    del ds.PixelData
    ds.save_as(tmp_path / "c")
    assert refusal(tmp_path / "c") is ReasonCode.CORRUPT
    del ds.Rows, ds.Columns
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    ds.save_as(tmp_path / "c")
    assert refusal(tmp_path / "c") is ReasonCode.NOT_AN_IMAGE


def test_a_missing_decoder_names_the_syntax_and_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels.decoders import JPEGLSLosslessDecoder

    monkeypatch.setattr(JPEGLSLosslessDecoder, "_available", {})
    ds = pydicom.dcmread(make_dicom(tmp_path / "a", block_image(9, np.uint16)))
    start_of_frame = bytes([0xFF, 0xD8, 0xFF, 0xF7, 0, 11, 16, 0, 30, 0, 40, 1, 1, 0x11, 0])
    ds.PixelData = pydicom.encaps.encapsulate([start_of_frame + bytes(61)])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGLSLossless
    ds.save_as(tmp_path / "a")
    with pytest.raises(ImageError, match=r"JPEG-LS.*python-gdcm") as caught:
        decode_image(tmp_path / "a")
    assert caught.value.reason is ReasonCode.UNSUPPORTED_SYNTAX


@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.95])
def test_a_cut_deflated_file_is_corrupt(tmp_path: Path, fraction: float) -> None:
    noise = np.random.default_rng(0).integers(0, 4096, (30, 40)).astype(np.uint16)
    ds = pydicom.dcmread(make_dicom(tmp_path / "a", noise))
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.save_as(tmp_path / "a")
    assert decode_image(tmp_path / "a").pixels.max() == noise.max()
    assert refusal(cut(tmp_path / "a", fraction)) is ReasonCode.CORRUPT


def test_a_tag_that_cannot_be_parsed_is_corrupt_and_not_quoted(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a", block_image(2085, np.uint16, 100), ViewPosition="PA")
    content = path.read_bytes()
    assert content.count(b"\x18\0\x01\x51CS") == 1
    path.write_bytes(content.replace(b"\x18\0\x01\x51CS", b"\x18\0\x01\x51C\x9e"))
    with pytest.raises(ImageError) as caught:
        decode_image(path)
    assert caught.value.reason is ReasonCode.CORRUPT
    assert "NotImplementedError" in str(caught.value)
    assert "0x9e" not in str(caught.value)


@pytest.mark.parametrize("read", [whole_image_size, read_dicom_header])
def test_a_deflated_bomb_is_not_inflated_for_its_header(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    path = make_dicom(tmp_path / "a", block_image(9, np.uint16))
    make_deflated_bomb(path, 2 * 10**9)  # pydicom would take 4 GiB for it
    with pytest.raises(ImageError) as caught:
        read(path)
    assert caught.value.reason == ReasonCode.TOO_LARGE


def test_pydicom_says_nothing_of_a_damaged_image(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = make_dicom(tmp_path / "a", block_image(), **ADULT_CHEST_PA)
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = RLELossless
    ds.PixelData = encapsulate([b"\x01" + b"\0" * 99])
    ds["PixelData"].is_undefined_length = True
    ds.save_as(path)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ImageError):
        decode_image(path)
    assert [record.name for record in caplog.records if record.name.startswith("pydicom")] == []


# ---- elements that are missing, or hold something else --------------------------------------------------------------


def test_a_meta_header_without_transfer_syntax_is_guessed_as_no_meta_header(tmp_path: Path) -> None:
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian):
        stored = ramp(0, 4095)
        path = write_image(tmp_path / "a", stored, 12, syntax=syntax)
        without_element(path, b"\x02\0\x10\0UI")
        assert "TransferSyntaxUID" not in pydicom.dcmread(path).file_meta
        np.testing.assert_array_equal(decode_image(path).pixels, stored)
        assert whole_image_size(path) == stored.shape
        assert read_dicom_header(path).file_meta.TransferSyntaxUID == syntax


@pytest.mark.parametrize("encode", [in_rle, partial(by_pillow, syntax=JPEG2000Lossless)], ids=["RLE", "JPEG 2000"])
def test_the_syntax_of_compressed_pixels_is_guessed_by_their_stream(
    tmp_path: Path, encode: Callable[[Path], Path]
) -> None:
    stored = ramp(0, 65535)
    path = encode(write_image(tmp_path / "a", stored, 16))
    without_element(path, b"\x02\0\x10\0UI")
    np.testing.assert_array_equal(decode_image(path).pixels, stored)


def test_compressed_pixels_that_do_not_tell_their_syntax_are_refused_by_name(tmp_path: Path) -> None:
    path = in_rle(write_image(tmp_path / "a", ramp(0, 255), 8))
    ds = pydicom.dcmread(path)
    ds.PixelData = encapsulate([b"no such stream " * 9])
    ds.save_as(path)
    without_element(path, b"\x02\0\x10\0UI")
    with pytest.raises(ImageError, match="TransferSyntaxUID is missing") as caught:
        decode_image(path)
    assert caught.value.reason is ReasonCode.UNSUPPORTED_SYNTAX


@pytest.mark.parametrize("syntax", ["1.2.840.113619.5.2", "1.2.3.4"])
def test_an_unknown_transfer_syntax_is_named(tmp_path: Path, syntax: str) -> None:
    path = make_dicom(tmp_path / "a", block_image(9, np.uint16))
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path, implicit_vr=False, little_endian=True)
    with pytest.raises(ImageError, match=f"the transfer syntax {syntax};") as caught:
        decode_image(path)
    assert caught.value.reason is ReasonCode.UNSUPPORTED_SYNTAX


@pytest.mark.parametrize("keyword", ["SamplesPerPixel", "HighBit", "BitsStored", "NumberOfFrames"])
@pytest.mark.parametrize("value", ["missing", "empty"])
def test_what_other_elements_tell_may_be_missing(tmp_path: Path, keyword: str, value: str) -> None:
    path = make_dicom(tmp_path / "a", block_image(2085, np.uint16, 100), NumberOfFrames=1)
    ds = pydicom.dcmread(path)
    if value == "empty":
        setattr(ds, keyword, None)
    else:
        delattr(ds, keyword)
    ds.save_as(path)
    image = decode_image(path)
    assert_block(image.pixels, 2085, 100)
    assert image.steps == []


@pytest.mark.parametrize(
    "keyword", ["PhotometricInterpretation", "BitsAllocated", "PixelRepresentation", "Rows", "Columns"]
)
def test_what_nothing_tells_is_named_where_it_is_missing(tmp_path: Path, keyword: str) -> None:
    path = make_dicom(tmp_path / "a", block_image(2085, np.uint16, 100))
    ds = pydicom.dcmread(path)
    delattr(ds, keyword)
    ds.save_as(path)
    with pytest.raises(ImageError, match=f"{keyword} is missing") as caught:
        decode_image(path)
    assert caught.value.reason is ReasonCode.UNREADABLE_TAG


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("Rows", "IS", "30"), ("Columns", "LO", "40"), ("BitsStored", "LO", "12"), ("BitsAllocated", "DS", "16.0"),
        ("PixelSpacing", "DS", "0,2\\0,2"), ("PixelSpacing", "DS", "[0.2, 0.2]"), ("NumberOfFrames", "IS", "1.0"),
        ("PixelSpacing", "DS", "0.2"), ("PixelSpacing", "DS", "0.2\\0.1\\1"), ("PixelSpacing", "DS", "0\\0.1"),
        ("PatientAge", "AS", "fifty"), ("PatientAge", "IS", "x"), ("PixelPaddingRangeLimit", "LO", "x"),
        ("PatientBirthDate", "DA", "unknown"), ("PatientOrientation", "DS", "1\\0\\0"),
        ("ViewCodeSequence", "LO", "PA"),
        ("AnatomicRegionSequence", "LO", "chest"), ("VOILUTSequence", "LO", "x"), ("SOPInstanceUID", "LO", "x"),
    ],
)  # fmt: skip
def test_a_text_in_the_place_of_a_number_or_sequence(tmp_path: Path, keyword: str, vr: str, value: str) -> None:
    path = make_dicom(tmp_path / "a", block_image(2085, np.uint16, 100))
    put_text(path, keyword, vr, value)
    image = decode_image(path)
    assert_block(image.pixels, 2085, 100)
    assert image.spacing_mm is None
    assert whole_image_size(path) == (30, 40)


@pytest.mark.parametrize("keyword", ["Rows", "BitsStored", "PixelRepresentation", "SamplesPerPixel", "NumberOfFrames"])
def test_a_word_in_the_place_of_a_needed_number_is_named(tmp_path: Path, keyword: str) -> None:
    path = make_dicom(tmp_path / "a", block_image(2085, np.uint16, 100))
    put_text(path, keyword, "LO", "many")
    with pytest.raises(ImageError, match=f"{keyword} is 'many'; expected a whole number") as caught:
        decode_image(path)
    assert caught.value.reason is ReasonCode.UNREADABLE_TAG


def test_a_padding_value_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a", block_image(2085, np.uint16, 100), **ADULT_CHEST_PA)
    put_text(path, "PixelPaddingValue", "LO", "none")
    image = decode_image(path)
    assert_block(image.pixels, 2085, 100)
    assert image.steps == ["PixelPaddingValue left out ('none')"]
    assert image.warnings == [ImageWarning.DISPLAY_LEFT_OUT]


def test_a_header_that_asks_for_more_memory_than_there_is_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_dicom(tmp_path / "a", block_image(9, np.uint16))

    def without_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pydicom, "dcmread", without_memory)
    with pytest.raises(ImageError) as caught:
        read_dicom_header(path)
    assert caught.value.reason is ReasonCode.CORRUPT
    assert "(MemoryError)" in str(caught.value) and str(path) in str(caught.value)
