from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Resize

from monai_tbkd.transforms import ImageTo8Bit, NormalizeImage, NormalizeImaged, ResizeImage, ResizeImaged
from monai_tbkd.transforms.network_input import resampling_weights


@pytest.mark.parametrize("size", [(64, 48), (40, 90), (97, 61), (300, 250)])
def test_within_the_image_it_is_monais_resize(size: tuple[int, int]) -> None:
    image = torch.rand(1, 200, 180, generator=torch.Generator().manual_seed(0)) * 255
    expected = Resize(size, mode="bilinear", anti_aliasing=True)(image).as_tensor()
    found = ResizeImage(size)(image)
    assert found.shape == (1, *size)
    torch.testing.assert_close(found[:, 4:-4, 4:-4], expected[:, 4:-4, 4:-4], atol=0.01, rtol=0)


@pytest.mark.parametrize("size", [(32, 32), (700, 20)])
def test_an_image_of_one_bright_value_keeps_it_up_to_its_edges(size: tuple[int, int]) -> None:
    torch.testing.assert_close(ResizeImage(size)(torch.full((1, 500, 300), 65000.0)), torch.full((1, *size), 65000.0))


@pytest.mark.parametrize(("length", "new_length"), [(2000, 512), (512, 320), (100, 512), (7, 7), (1, 5), (5, 1)])
def test_weights_sum_to_one_and_are_even(length: int, new_length: int) -> None:
    weights = resampling_weights(length, new_length).toarray()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights, weights[::-1, ::-1], atol=1e-6)  # no side is favored: nothing is shifted


def test_metadata_stay_and_the_right_size_is_left_alone() -> None:
    image = MetaTensor(torch.rand(1, 8, 8), meta={"original_size": [8, 8]})
    kept = ResizeImaged((8, 8))({"image": image})["image"]
    assert torch.equal(kept.as_tensor(), image.as_tensor())
    assert ResizeImaged((4, 4))({"image": image})["image"].meta["original_size"] == [8, 8]


def test_a_side_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ResizeImage((0, 5))


def test_percentiles_by_hand() -> None:
    image = torch.arange(101.0)[None, None]
    out = ImageTo8Bit(10, 90)(image)[0, 0]
    assert out.dtype == torch.uint8
    assert (out[:11] == 0).all()
    assert (out[90:] == 255).all()
    assert out[50] == round(255 * 40 / 80)


def test_range_does_not_matter() -> None:
    image = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ImageTo8Bit()(image), ImageTo8Bit()(image * 60000 + 512))


@pytest.mark.parametrize("top", [2, 255, 4095, 65535])
@pytest.mark.parametrize("percentiles", [(0.5, 99.5), (0, 100), (33.3, 66.7)])
def test_whole_gray_levels_go_the_same_way_as_others(top: int, percentiles: tuple[float, float]) -> None:
    values = np.random.default_rng(top).gamma(2.0, top / 8, (1, 57, 61)).clip(0, top).round().astype(np.float32)
    low, high = np.percentile(values, percentiles)
    if high <= low:
        low, high = values.min(), values.max()
    expected = np.rint(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    assert np.array_equal(ImageTo8Bit(*percentiles)(torch.from_numpy(values)).numpy(), expected)


def test_flat_and_nearly_flat_images() -> None:
    assert (ImageTo8Bit()(torch.full((1, 8, 8), 700.0)) == 0).all()
    nearly = torch.zeros(1, 64, 64)
    nearly[0, 3, 5] = 9.0
    assert ImageTo8Bit()(nearly)[0, 3, 5] == 255


def test_normalize_by_hand() -> None:
    image = MetaTensor(torch.tensor([[[0, 255]]], dtype=torch.uint8), meta={"filename_or_obj": "a"})
    out = NormalizeImaged()({"image": image})["image"]
    assert out.shape == (3, 1, 2)
    torch.testing.assert_close(out[:, 0, 1].as_tensor(), torch.tensor([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225]))
    assert out.meta["filename_or_obj"] == "a"
    with pytest.raises(ValueError, match="one gray channel"):
        NormalizeImage()(torch.zeros(3, 4, 4))
