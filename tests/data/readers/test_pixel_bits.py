from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.data.readers.pixel_bits import PixelBits, true_bits
from tests.data.golden_dicom import ramp

SLOPE = ramp(0, 65535)


@pytest.mark.parametrize(
    ("bits", "cells", "values"),
    [
        (PixelBits(12, 11, False), [0xFFFF, 0x1001], [0xFFF, 1]),
        (PixelBits(12, 11, True), [0xFFFF, 0x0800], [-1, -2048]),
        (PixelBits(12, 15, False), [0xFFFF, 0x001F], [0xFFF, 1]),
    ],
)
def test_values_are_the_named_bits(bits: PixelBits, cells: list[int], values: list[int]) -> None:
    assert bits.values(np.array(cells, np.uint16)).tolist() == values


@pytest.mark.parametrize("stored", [8, 10, 12, 14])
@pytest.mark.parametrize("signed", [False, True])
def test_an_image_that_goes_on_above_bits_stored_is_read_whole(stored: int, signed: bool) -> None:
    header = PixelBits(stored, stored - 1, signed)
    whole = PixelBits(16, 15, False)
    assert true_bits(SLOPE.astype(np.uint16), header, 16, None, None) == (whole, True)
    assert true_bits(SLOPE.astype(np.uint16), header, 16, False, None) == (whole, True)
    below_zero = (SLOPE - 32768).astype(np.int16)
    assert true_bits(below_zero, header, 16, None, None) == (PixelBits(16, 15, True), True)


@pytest.mark.parametrize("overlay", ["letters", "half", "everywhere"])
def test_an_overlay_above_bits_stored_is_left_out(overlay: str) -> None:
    marks = {
        "letters": SLOPE % 7 == 0,
        "half": np.arange(SLOPE.shape[1])[None] < 20,
        "everywhere": np.True_,
    }[overlay]
    cells = (ramp(0, 4095) | marks * 2**13).astype(np.uint16)
    header = PixelBits(12, 11, False)
    assert true_bits(cells, header, 16, None, None) == (header, True)


@pytest.mark.parametrize(
    ("cells", "header"),
    [
        (ramp(0, 4095), PixelBits(12, 11, False)),
        (ramp(-2048, 2047), PixelBits(12, 11, True)),
        (ramp(-2048, 2047) & 0xFFF, PixelBits(12, 11, True)),  # the sign is not extended
        (ramp(0, 4095) << 4, PixelBits(12, 15, False)),
        (ramp(0, 255), PixelBits(16, 15, True)),
    ],
)
def test_cells_as_the_header_says_are_no_contradiction(cells: np.ndarray, header: PixelBits) -> None:
    assert true_bits(cells.astype(np.int16 if header.signed else np.uint16), header, 16, None, None) == (header, False)


@pytest.mark.parametrize("value", [4096, 8192, 20000, 32768, 65535])
@pytest.mark.parametrize("size", [(1, 1), (2, 4), (9, 16), (12, 64)], ids=str)
@pytest.mark.parametrize("stated", [None, False])
def test_markers_and_saturated_areas_are_clipped(value: int, size: tuple[int, int], stated: bool | None) -> None:
    cells = ramp(500, 3000)
    cells[10 : 10 + size[0], : size[1]] = value
    header = PixelBits(12, 11, False)
    bits, contradiction = true_bits(cells.astype(np.uint16), header, 16, stated, None)
    assert contradiction
    np.testing.assert_array_equal(bits.values(cells.astype(np.uint16)), cells.clip(0, 4095))


def test_markers_above_signed_values_are_clipped() -> None:
    cells = ramp(-1500, 1000)
    cells[10:16, 5:20] = 30000
    bits, _ = true_bits(cells.astype(np.int16), PixelBits(12, 11, True), 16, None, None)
    np.testing.assert_array_equal(bits.values(cells.astype(np.int16)), cells.clip(-2048, 2047))


@pytest.mark.parametrize("value", [4096, 8192, 32768, 65535])
def test_a_marker_is_bright_on_a_black_ground_too(value: int) -> None:
    cells = np.pad(ramp(500, 3000), 12)
    cells[2:8, 5:20] = value
    bits, _ = true_bits(cells.astype(np.uint16), PixelBits(12, 11, False), 16, None, None)
    np.testing.assert_array_equal(bits.values(cells.astype(np.uint16)), cells.clip(0, 4095))


def test_an_overlay_on_smooth_ground_is_left_out() -> None:
    image = np.pad(ramp(500, 3000) // 128 * 128, 12)
    cells = image.copy()
    cells[2:30, 5:40] |= 2**13
    header = PixelBits(12, 11, False)
    assert true_bits(cells.astype(np.uint16), header, 16, None, None) == (header, True)


def test_padding_outside_the_bits_is_no_contradiction() -> None:
    cells = ramp(0, 4095)
    padding = np.zeros(cells.shape, bool)
    padding[:9] = True
    cells[padding] = 63536
    header = PixelBits(12, 11, False)
    assert true_bits(cells.astype(np.uint16), header, 16, None, padding) == (header, False)
    assert true_bits(cells.astype(np.uint16), header, 16, None, None)[1]


def test_a_sign_that_the_stream_states_is_judged() -> None:
    # 12 bits that the stream calls unsigned, under a header that calls them signed: both happen.
    header, stream = PixelBits(12, 11, True), PixelBits(12, 11, False)
    assert true_bits(ramp(0, 4095), header, 12, False, None) == (stream, True)
    assert true_bits(ramp(-2048, 2047) & 0xFFF, header, 12, False, None) == (header, True)
