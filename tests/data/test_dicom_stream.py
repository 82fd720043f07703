"""A compressed stream that contradicts its header is refused before a decoder sees it: some of them end the process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless

from monai_tbkd.data import FilmError, ReasonCode
from monai_tbkd.data.readers import decode_film
from tests.data.golden_dicom import by_gdcm, write_film

PACKED = pytest.mark.parametrize(
    "syntax", [JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1, JPEGBaseline8Bit], ids=lambda uid: uid.name
)
FILM = (np.add.outer(np.arange(40), np.arange(56)) * 40).astype(np.uint16)


@pytest.fixture
def packed(tmp_path: Path) -> Callable[[str], Path]:
    def write(syntax: str) -> Path:
        bits = 8 if syntax == JPEGBaseline8Bit else 12
        return by_gdcm(write_film(tmp_path / "a.dcm", FILM >> (12 - bits), bits), syntax)

    return write


def refusal(path: Path) -> ReasonCode:
    with pytest.raises(FilmError) as caught:
        decode_film(path)
    return caught.value.reason


@PACKED
@pytest.mark.parametrize(("key", "value"), [("Rows", 5000), ("Rows", 20), ("Columns", 57), ("Columns", 5000)])
def test_another_size_than_the_header_says_is_corrupt(
    syntax: str, key: str, value: int, packed: Callable[[str], Path]
) -> None:
    path = packed(syntax)
    assert decode_film(path).pixels.shape == (40, 56)
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
