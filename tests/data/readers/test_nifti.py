from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from monai_tbkd.data import ImageError, ReasonCode
from monai_tbkd.data.readers import ImageLimits, decode_image, whole_image_size
from tests.data.images_by_hand import assert_block, block_image, cut, refusal


def saved(path: Path, voxels: Any, affine: Any = None, cls: Any = nib.Nifti1Image) -> Path:
    nib.save(cls(voxels, np.eye(4) if affine is None else affine), path)
    return path


IMAGE = block_image(60000, np.uint16, 7)
LPS = np.diag([-0.2, -0.2, 1.0, 1.0])


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("affine", [np.eye(4), LPS])
@pytest.mark.parametrize("slices", [False, True])
def test_pictures_as_nibabel_monai_and_itk_write_them(tmp_path: Path, name: str, affine: Any, slices: bool) -> None:
    voxels = IMAGE.T[..., None] if slices else IMAGE.T
    path = saved(tmp_path / name, voxels, affine)
    assert_block(decode_image(path).pixels, 60000, 7)
    assert whole_image_size(path) == (30, 40)


@pytest.mark.bundle  # ITK takes seconds to load
def test_itk_agrees(tmp_path: Path) -> None:
    itk = pytest.importorskip("itk")
    itk.imwrite(itk.image_from_array(IMAGE), str(tmp_path / "a.nii.gz"))
    assert_block(decode_image(tmp_path / "a.nii.gz").pixels, 60000, 7)


def test_the_closest_canonical_turn_is_undone(tmp_path: Path) -> None:
    turned = nib.as_closest_canonical(nib.Nifti1Image(IMAGE.T[..., None], LPS))
    assert not np.array_equal(np.asarray(turned.dataobj)[..., 0], IMAGE.T)
    nib.save(turned, tmp_path / "a.nii")
    assert_block(decode_image(tmp_path / "a.nii").pixels, 60000, 7)


def test_a_coronal_slice_stands_on_its_feet_whatever_the_axes(tmp_path: Path) -> None:
    # Head up (against +z) and the patient's left to the right (against +x).
    coronal = np.flip(IMAGE.T, axis=(0, 1))[:, None, :]
    path = saved(tmp_path / "a.nii", coronal)
    assert_block(decode_image(path).pixels, 60000, 7)
    # The same voxels with the first axis from foot to head.
    swapped = saved(tmp_path / "b.nii", np.flip(IMAGE, axis=(0, 1))[:, None, :], np.eye(4)[[2, 1, 0, 3]])
    assert_block(decode_image(swapped).pixels, 60000, 7)
    assert whole_image_size(swapped) == (30, 40)


def test_spacing_is_rows_first_and_ones_are_unknown(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", IMAGE.T, np.diag([-0.1, -0.3, 1.0, 1.0]))
    assert decode_image(path).spacing_mm == pytest.approx((0.3, 0.1))
    assert decode_image(saved(tmp_path / "b.nii", IMAGE.T)).spacing_mm is None


def test_nifti_2_is_read(tmp_path: Path) -> None:
    assert_block(decode_image(saved(tmp_path / "a.nii", IMAGE.T, cls=nib.Nifti2Image)).pixels, 60000, 7)


def test_non_finite_pixels_become_the_darkest(tmp_path: Path) -> None:
    voxels = IMAGE.T.astype(np.float32)
    voxels[0, 0] = np.nan
    assert_block(decode_image(saved(tmp_path / "a.nii", voxels)).pixels, 60000, 7)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_cut_file_is_corrupt(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 60000, (40, 30)).astype(np.uint16)
    assert refusal(cut(saved(tmp_path / name, noise))) is ReasonCode.CORRUPT


def test_volumes_and_color_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"one slice.*MULTI_FRAME"):
        decode_image(saved(tmp_path / "a.nii", np.zeros((40, 30, 4), np.uint8)))
    rgb = np.zeros((40, 30, 1), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert refusal(saved(tmp_path / "b.nii", rgb)) is ReasonCode.COLOR


def test_a_changed_byte_of_a_gzipped_image_is_found_by_the_checksum(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 60000, (40, 30)).astype(np.uint16)
    path = saved(tmp_path / "a.nii.gz", noise)
    content = path.read_bytes()
    for position in (len(content) // 2, len(content) * 9 // 10, len(content) - 6):  # the last is of the checksum itself
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        assert refusal(path) is ReasonCode.CORRUPT


def test_what_unpacks_to_more_than_an_image_is_too_large(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii.gz", IMAGE.T)
    path.write_bytes(path.read_bytes() + gzip.compress(bytes(2**20)) * 40)
    assert refusal(path, limits=ImageLimits(max_pixels=2000)) is ReasonCode.TOO_LARGE
