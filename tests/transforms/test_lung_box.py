from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_tbkd.data.phantom import CLASS_NAMES, make_image
from monai_tbkd.transforms import LungBoxFinder, box_of_lungs
from monai_tbkd.transforms.lung_box import thumbnail


def two_lungs() -> np.ndarray:
    lungs = np.zeros((100, 200))
    lungs[10:90, 30:80] = lungs[20:80, 120:180] = 0.9
    return lungs


def test_box_by_hand() -> None:
    box = box_of_lungs(two_lungs())
    assert box is not None
    assert box.tolist() == [30 / 200, 10 / 100, 180 / 200, 90 / 100]


def test_only_the_two_largest_regions_and_only_above_a_half() -> None:
    lungs = two_lungs()
    lungs[92:100, 0:26] = 1.0  # a third, larger than 1 % of the image
    lungs[:, 190:] = 0.5
    box = box_of_lungs(lungs)
    assert box is not None
    assert box.tolist() == [0.15, 0.1, 0.9, 0.9]


def test_what_does_not_look_like_two_lungs() -> None:
    nothing = np.zeros((100, 100))
    one = nothing.copy()
    one[10:90, 10:45] = 1  # enough of the image, but too narrow
    flat = nothing.copy()
    flat[40:70, 5:95] = 1  # too low
    thin = nothing.copy()
    thin[10:90, 20:22] = thin[10:90, 80:82] = 1  # too little
    for lungs in (nothing, one, flat, thin):
        assert box_of_lungs(lungs) is None


def test_plain_finder_on_phantom_images() -> None:
    found, true = [], []
    for number in range(30):
        image = make_image(CLASS_NAMES[number % 3], seed=(5, number), size=128)
        box = box_of_lungs(image.lung_field.astype(float))
        assert box is not None
        found.append(LungBoxFinder()(torch.from_numpy(image.image)[None]))
        true.append(box)
    error = np.abs(np.array(found) - np.array(true)).mean(axis=0)
    assert (error < 0.035).all(), error


def test_plain_finder_follows_images_that_are_moved() -> None:
    image = make_image("health", seed=3, size=128).image
    still = LungBoxFinder()(torch.from_numpy(image)[None])
    moved = LungBoxFinder()(torch.from_numpy(np.roll(np.pad(image, 8, mode="edge"), 8, axis=1))[None])
    assert moved[0] > still[0]
    assert moved[2] > still[2]


def test_exposure_and_size_drop_out() -> None:
    image = torch.from_numpy(make_image("tb", seed=4, size=128).image)[None].float()
    box = LungBoxFinder()(image)
    np.testing.assert_allclose(LungBoxFinder()(image * 12 + 300), box, atol=1e-9)
    np.testing.assert_allclose(LungBoxFinder()(image.repeat_interleave(2, 1).repeat_interleave(3, 2)), box, atol=0.01)


def test_thumbnail_is_the_share_of_darker_pixels() -> None:
    image = torch.zeros(1, 128, 128)
    image[:, :, 64:] = 50.0
    cells = thumbnail(image)
    assert cells.shape == (32, 32)
    assert (cells[:, :16] == 0.5).all()
    assert (cells[:, 16:] == 1.0).all()


@pytest.mark.parametrize("image", [torch.zeros(1, 50, 70), torch.rand(1, 40, 40, generator=torch.Generator())])
def test_any_image_gives_a_box_within_the_image(image: torch.Tensor) -> None:
    x0, y0, x1, y1 = LungBoxFinder()(image)
    assert 0 <= x0 < x1 <= 1
    assert 0 <= y0 < y1 <= 1


def test_a_network_finds_lungs_and_the_plain_finder_stands_in() -> None:
    image = torch.from_numpy(make_image("health", seed=1, size=128).image)[None]
    lungs = torch.from_numpy(two_lungs()).float()[None, None]
    box, field = LungBoxFinder(lambda images: lungs).look(image)
    assert box.tolist() == [0.15, 0.1, 0.9, 0.9]
    assert field is not None
    assert torch.equal(field, lungs[0])
    nothing, _ = LungBoxFinder(torch.zeros_like).look(image)
    np.testing.assert_array_equal(nothing, LungBoxFinder()(image))
    assert LungBoxFinder().look(image)[1] is None
