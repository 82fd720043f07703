from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from monai_tbkd.transforms import RandBlurFilm, RandBlurFilmd
from monai_tbkd.transforms.film_blur import blurred


def test_a_point_spreads_and_its_sum_stays() -> None:
    point = torch.zeros(1, 41, 41, dtype=torch.uint8)
    point[0, 20, 20] = 255
    found = blurred(point, 1.0)
    # 255 / (2 pi) in the middle, that times exp(-1/2) beside it, by the sampled and normalized Gaussian
    assert found[0, 20, 20].item() == pytest.approx(255 / 6.283, abs=1)
    assert found[0, 20, 21].item() == pytest.approx(255 / 6.283 * 0.6065, abs=1)
    assert found.sum().item() == pytest.approx(255, abs=10)
    assert torch.equal(blurred(point, 0.0), point)


def test_no_dark_frame_is_drawn() -> None:
    flat = torch.full((1, 20, 30), 90, dtype=torch.uint8)
    assert torch.equal(blurred(flat, 3.0), flat)


def test_pair_draws_alike_by_the_films_size_and_the_kept_film_stays() -> None:
    kept = MetaTensor(torch.randint(0, 256, (1, 40, 60), generator=torch.Generator().manual_seed(0)).byte())
    before = kept.clone()
    one, other = RandBlurFilm(0.5, (0.05, 0.05)), RandBlurFilmd(prob=0.5, sigma=(0.05, 0.05))
    one.set_random_state(1)
    other.set_random_state(1)
    found = [one(kept) for _ in range(12)]
    assert all(torch.equal(mine, other({"image": kept})["image"]) for mine in found)
    kinds = {bytes(mine.numpy()) for mine in found}
    assert kinds == {bytes(before.as_tensor().numpy()), bytes(blurred(before.as_tensor(), 2.0).numpy())}
    assert torch.equal(kept, before)


@pytest.mark.parametrize("sigma", [(-0.1, 0.1), (0.2, 0.1)])
def test_what_is_refused(sigma: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="sigma is"):
        RandBlurFilm(sigma=sigma)
