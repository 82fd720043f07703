from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from monai.data import MetaTensor

from monai_tbkd.transforms import RandFrameCrop, RandFrameCropd
from monai_tbkd.transforms.frame_crop import without_frame


def film() -> torch.Tensor:
    rows, columns = torch.arange(40)[:, None], torch.arange(60)[None]
    return (2 * rows + 2 * columns).byte()[None]


def test_it_is_the_inner_film_resized() -> None:
    found = without_frame(film(), (0.1, 0.2, 0.3, 0.05))
    inner = film()[:, 4:28, 3:48]
    expected = F.interpolate(inner[None].float(), size=(40, 60), mode="bilinear", align_corners=False)[0]
    # beyond the inner film's edge the crop still sees the film, the resize does not
    assert (found.float() - expected)[:, 2:-2, 2:-2].abs().max() <= 1.0
    assert torch.equal(without_frame(film(), (0, 0, 0, 0)), film())


def test_what_stands_in_the_frame_is_gone() -> None:
    lettered = film()
    lettered[:, :4] = 255
    assert without_frame(lettered, (0.15, 0.0, 0.0, 0.0)).max() < 255


def test_pair_draws_alike_and_the_kept_film_stays() -> None:
    kept = MetaTensor(film())
    one, other = RandFrameCrop(0.5, 0.2), RandFrameCropd(prob=0.5, most=0.2)
    one.set_random_state(1)
    other.set_random_state(1)
    found = [one(kept) for _ in range(12)]
    assert all(torch.equal(mine, other({"image": kept})["image"]) for mine in found)
    assert 4 < len({bytes(mine.numpy()) for mine in found}) < 12
    assert torch.equal(kept.as_tensor(), film())


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"most is 0\.5"):
        RandFrameCrop(most=0.5)
