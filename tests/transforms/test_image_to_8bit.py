from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_tbkd.transforms import ImageTo8Bit, NormalizeImage, NormalizeImaged


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
