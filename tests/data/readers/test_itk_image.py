from __future__ import annotations

from pathlib import Path

import itk
import numpy as np
import pytest

from monai_tbkd.data import ReasonCode
from monai_tbkd.data.readers import decode_image, whole_image_size
from tests.data.images_by_hand import assert_block, block_image, cut, refusal

pytestmark = pytest.mark.bundle  # ITK takes seconds to load


def write(path: Path, array: np.ndarray, compression: bool = False, direction: np.ndarray | None = None) -> Path:
    image = itk.image_from_array(np.ascontiguousarray(array))
    image.SetSpacing([0.2, 0.3, 1.0][: array.ndim])
    if direction is not None:
        image.SetDirection(itk.matrix_from_array(direction))
    itk.imwrite(image, str(path), compression=compression)
    return path


@pytest.mark.parametrize("compression", [False, True])
@pytest.mark.parametrize("suffix", ["mha", "nrrd"])
@pytest.mark.parametrize("slices", [0, 1])
def test_upright_with_its_values_and_spacing(tmp_path: Path, suffix: str, compression: bool, slices: int) -> None:
    image = block_image(3000, np.uint16)
    path = write(tmp_path / f"a.{suffix}", image[None] if slices else image, compression)
    found = decode_image(path)
    assert_block(found.pixels, 3000, 10)
    assert found.source_format == {"mha": "metaimage", "nrrd": "nrrd"}[suffix]
    assert found.spacing_mm == pytest.approx((0.3, 0.2))
    assert whole_image_size(path) == (30, 40)


@pytest.mark.parametrize("suffix", ["mha", "nrrd"])
def test_a_coronal_slice_stands_as_its_directions_say(tmp_path: Path, suffix: str) -> None:
    # ITK counts in LPS: the second axis runs to the head, so the array's first row is the lowest.
    to_the_head = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    path = write(tmp_path / f"a.{suffix}", block_image()[::-1][None], direction=to_the_head)
    assert_block(decode_image(path).pixels, 200, 10)


@pytest.mark.parametrize("suffix", ["mha", "nrrd"])
@pytest.mark.parametrize("compression", [False, True])
@pytest.mark.parametrize("fraction", [0.3, 0.7, 0.95, 0.99])
def test_a_cut_file_is_corrupt(tmp_path: Path, suffix: str, compression: bool, fraction: float) -> None:
    noise = np.random.default_rng(0).integers(0, 4096, (30, 40)).astype(np.uint16)
    assert refusal(cut(write(tmp_path / f"a.{suffix}", noise, compression), fraction)) in (
        ReasonCode.CORRUPT,
        ReasonCode.NOT_AN_IMAGE,  # where the cut goes through the header
    )


def test_volumes_colors_and_pixels_elsewhere_are_refused(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "a.mha", np.zeros((3, 30, 40), np.uint8))) is ReasonCode.MULTI_FRAME
    color = itk.image_from_array(np.zeros((30, 40, 3), np.uint8), is_vector=True)
    itk.imwrite(color, str(tmp_path / "b.nrrd"))
    assert refusal(tmp_path / "b.nrrd") is ReasonCode.COLOR
    itk.imwrite(itk.image_from_array(block_image()), str(tmp_path / "c.mhd"))
    assert refusal(tmp_path / "c.mhd") is ReasonCode.NOT_AN_IMAGE
    itk.imwrite(itk.image_from_array(block_image()), str(tmp_path / "d.nhdr"))
    assert refusal(tmp_path / "d.nhdr") is ReasonCode.NOT_AN_IMAGE


@pytest.mark.parametrize("suffix", ["mha", "nrrd"])
def test_a_changed_byte_of_packed_pixels_is_found_by_the_checksum(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 4096, (30, 40)).astype(np.uint16)
    path = write(tmp_path / f"a.{suffix}", noise, compression=True)
    content = path.read_bytes()
    for fraction in (0.5, 0.7, 0.9):
        position = int(len(content) * fraction)
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        assert refusal(path) is ReasonCode.CORRUPT


@pytest.mark.parametrize("suffix", ["mha", "nrrd"])
def test_an_unknown_pixel_type_is_corrupt(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a.{suffix}", block_image(3000, np.uint16))
    content = path.read_bytes()
    for old, new in ((b"MET_USHORT", b"MET_USHORZ"), (b"unsigned short", b"unsigned shorz")):
        content = content.replace(old, new)
    path.write_bytes(content)
    assert refusal(path) is ReasonCode.CORRUPT
