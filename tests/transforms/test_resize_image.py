from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Resize

from monai_tbkd.transforms import ResizeImage, ResizeImaged
from monai_tbkd.transforms.resize_image import resampling_weights


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
