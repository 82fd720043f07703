from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

from monai_tbkd.transforms import ResizeFilm, ResizeFilmd


@pytest.mark.parametrize("size", [(20, 31), (64, 48), (97, 200)])
def test_it_is_pillows_resize(size: tuple[int, int]) -> None:
    film = np.random.default_rng(0).random((64, 48), dtype=np.float32) * 4095
    expected = Image.fromarray(film).resize(size[::-1], Image.Resampling.BILINEAR)
    found = ResizeFilm(size)(torch.from_numpy(film)[None])
    np.testing.assert_allclose(found[0].numpy(), np.asarray(expected), atol=0.5)


def test_a_film_of_one_bright_value_keeps_it_up_to_its_edges() -> None:
    assert torch.allclose(ResizeFilm((32, 32))(torch.full((1, 500, 300), 65000.0)), torch.tensor(65000.0))


def test_metadata_stay_and_the_right_size_is_left_alone() -> None:
    film = MetaTensor(torch.rand(1, 8, 8), meta={"original_size": [8, 8]})
    kept = ResizeFilmd((8, 8))({"image": film})["image"]
    assert torch.equal(kept.as_tensor(), film.as_tensor())
    assert ResizeFilmd((4, 4))({"image": film})["image"].meta["original_size"] == [8, 8]


def test_a_side_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ResizeFilm((0, 5))
