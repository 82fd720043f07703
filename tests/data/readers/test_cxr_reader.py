from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import list_data_collate
from monai.transforms import Compose, LoadImaged
from PIL import Image

from monai_tbkd.data import CXRReader, ImageError, ReasonCode
from monai_tbkd.data.readers.radiograph_dataset import image_error_in
from tests.data.images_by_hand import assert_block, block_image, cut, make_dicom, noise_png


def loader(**options: object) -> LoadImaged:
    return LoadImaged(keys="image", reader=CXRReader, ensure_channel_first=True, **options)


def four_formats(folder: Path) -> list[Path]:
    Image.fromarray(block_image()).save(folder / "a.png")
    Image.fromarray(block_image()).save(folder / "b.jpg", quality=100)
    make_dicom(folder / "c", block_image(), PixelSpacing=[0.2, 0.1])
    nib.save(nib.Nifti1Image(block_image().T, np.eye(4)), folder / "d.nii")
    return [folder / name for name in ("a.png", "b.jpg", "c", "d.nii")]


def test_every_format_loads_alike_and_into_one_batch(tmp_path: Path) -> None:
    paths = four_formats(tmp_path)
    images = [loader()({"image": str(path)}) for path in paths]
    for loaded, path in zip(images, paths, strict=True):
        image = loaded["image"]
        assert image.shape == (1, 30, 40)
        assert image.dtype == torch.float32
        assert_block(image[0], 200, 10, tolerance=3 if path.suffix == ".jpg" else 0)
        assert image.meta["original_size"].tolist() == [30, 40]
        assert image.meta["filename_or_obj"] == str(path)
        np.testing.assert_array_equal(image.affine, np.eye(4))
    assert [image["image"].meta["source_format"] for image in images] == ["png", "jpeg", "dicom", "nifti"]
    batch = list_data_collate(images)["image"]
    assert batch.shape == (4, 1, 30, 40)
    assert batch.meta["original_size"].tolist() == [[30, 40]] * 4
    assert batch.meta["spacing_mm"][2].tolist() == [0.2, 0.1]
    assert batch.meta["spacing_mm"][0].isnan().all()
    assert [bool(uid) for uid in batch.meta["sop_instance_uid"]] == [False, False, True, False]


def test_no_patient_data_in_the_metadata(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a", block_image())
    assert b"Secret" in path.read_bytes()
    assert "secret" not in str(loader()({"image": path})["image"].meta).lower()


@pytest.mark.parametrize("kind", ["png", "dicom"])
def test_a_cut_image_is_refused_not_loaded_by_another_reader(tmp_path: Path, kind: str) -> None:
    path = noise_png(tmp_path / "a.png", side=64) if kind == "png" else make_dicom(tmp_path / "a.dcm", block_image())
    cut(path)
    with pytest.raises(ImageError) as caught:
        loader()({"image": str(path)})
    assert caught.value.reason is ReasonCode.CORRUPT
    with pytest.raises(RuntimeError) as wrapped:
        Compose([loader()])({"image": str(path)})
    found = image_error_in(wrapped.value)
    assert found is not None
    assert found.reason is ReasonCode.CORRUPT


def test_read_opens_nothing() -> None:
    assert CXRReader().read("/no/such/image.png") == [Path("/no/such/image.png")]
    assert CXRReader().verify_suffix("anything")


def test_missing_folder_empty_and_text_have_their_codes(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("image,label\n")
    os.mkfifo(tmp_path / "pipe")
    expected = {
        "missing.png": ReasonCode.NOT_READABLE,
        ".": ReasonCode.NOT_READABLE,
        "pipe": ReasonCode.NOT_READABLE,
        "empty.png": ReasonCode.CORRUPT,
        "text.png": ReasonCode.NOT_AN_IMAGE,
    }
    for name, reason in expected.items():
        with pytest.raises(ImageError) as caught:
            loader()({"image": str(tmp_path / name)})
        assert caught.value.reason is reason, name


def test_too_small_and_too_large(tmp_path: Path) -> None:
    for path in four_formats(tmp_path):
        with pytest.raises(ImageError) as caught:
            loader(min_side=31)({"image": path})
        assert caught.value.reason is ReasonCode.TOO_SMALL
        with pytest.raises(ImageError) as caught:
            loader(max_pixels=1199)({"image": path})
        assert caught.value.reason is ReasonCode.TOO_LARGE


def test_two_paths_are_not_one_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="2 files"):
        loader()({"image": [str(path) for path in four_formats(tmp_path)[:2]]})


def test_unknown_voi_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'second'.*first"):
        CXRReader(voi="second")


def test_an_image_of_one_value_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((30, 40), 7, np.uint8)).save(tmp_path / "a.png")
    make_dicom(tmp_path / "b", np.full((30, 40), 7, np.uint16), WindowCenter=7, WindowWidth=100)
    for name in ("a.png", "b"):
        with pytest.raises(ImageError, match="one value") as caught:
            loader()({"image": tmp_path / name})
        assert caught.value.reason is ReasonCode.CORRUPT
