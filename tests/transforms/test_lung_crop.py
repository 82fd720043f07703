from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_tbkd.data.phantom import CLASS_NAMES, make_image
from monai_tbkd.transforms import CropToLungsd, LungBoxFinder, MapToWholeImaged, box_of_lungs
from monai_tbkd.transforms.lung_crop import MARGIN, around_lungs, lung_ellipses, resample, thumbnail


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


def lungs_at(images: torch.Tensor) -> torch.Tensor:
    """A lung field of the box 0.2, 0.1, 0.8, 0.9 on any image."""
    field = torch.zeros_like(images)
    height, width = images.shape[-2:]
    field[..., round(0.1 * height) : round(0.9 * height), round(0.2 * width) : round(0.8 * width)] = 1.0
    return field


def crop(image: torch.Tensor, size: tuple[int, int], **options: Any) -> tuple[torch.Tensor, ...]:
    """The crop, its position, and the lung field on it."""
    data = CropToLungsd(size, field_key="field", **options)({"image": image})
    return data["image"], data["lung_crop"], data["field"]


def whole(size: tuple[int, int], tb_map: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    return MapToWholeImaged(size)({"tb_map": tb_map, "lung_crop": position})["tb_map"]


def test_position_by_hand() -> None:
    position = around_lungs(np.array([0.2, 0.1, 0.8, 0.9]))
    np.testing.assert_allclose(position, [0.5 - 0.3 / 0.86, 0.5 - 0.4 / 0.86, 0.5 + 0.3 / 0.86, 0.5 + 0.4 / 0.86])


def test_lungs_reach_from_margin_to_margin() -> None:
    image = (lungs_at(torch.zeros(1, 1, 200, 100))[0] * 200).to(torch.uint8)
    cut, _, field = crop(image, (100, 100), lung_field=lungs_at)
    assert (cut[0, 8:92, 8:92] == 200).all()
    assert (cut[0, :6] == 0).all()
    assert (cut[0, :, :6] == 0).all()
    assert field.shape == (1, 25, 25)
    assert float(field.float().mean() / 255) == pytest.approx((1 - 2 * MARGIN) ** 2, abs=0.05)


def test_a_block_comes_back_to_its_place() -> None:
    image = torch.from_numpy(make_image("health", seed=2, size=128).image)[None]
    image[0, 36:52, 80:96] = 255
    image[image < 255] //= 2
    cut, position, _ = crop(image, (96, 96))
    back = whole((128, 128), cut.float() / 255, position)[0] > 0.75
    truth = torch.zeros(128, 128, dtype=torch.bool)
    truth[36:52, 80:96] = True
    wider = torch.zeros_like(truth)
    wider[34:54, 78:98] = True
    assert not (back & ~wider).any()
    assert back[38:50, 82:94].all()
    rows, columns = torch.nonzero(back, as_tuple=True)
    assert float(rows.float().mean()) == pytest.approx(43.5, abs=0.5)
    assert float(columns.float().mean()) == pytest.approx(87.5, abs=0.5)


def test_beyond_the_cut_there_is_nothing_and_beyond_the_image_its_edge() -> None:
    position = np.array([-0.5, 0.25, 0.5, 0.75])
    image = torch.arange(4.0).repeat(4, 1)[None, None]
    assert resample(image, position, (2, 4))[0, 0].tolist() == [[0.0, 0.0, 0.0, 1.0]] * 2
    back = whole((4, 4), torch.ones(1, 2, 4), torch.from_numpy(position))
    assert back[0].tolist() == [[0.0] * 4, [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0] * 4]


def test_type_is_kept() -> None:
    image = torch.from_numpy(make_image("tb", seed=2, size=128).image)[None]
    cut, position, _ = crop(image, (32, 48))
    assert cut.dtype == torch.uint8
    assert cut.shape == (1, 32, 48)
    assert position.dtype == torch.float32
    floats, same, _ = crop(image.float(), (32, 48))
    assert floats.dtype == torch.float32
    torch.testing.assert_close(same, position)
    torch.testing.assert_close(floats, cut.float(), atol=0.5, rtol=0)


def test_refused_image_has_a_map_of_nothing() -> None:
    assert torch.equal(whole((3, 5), torch.ones(1, 2, 2), torch.zeros(4)), torch.zeros(1, 3, 5))


def test_without_a_network_the_field_is_two_ellipses() -> None:
    field = crop(torch.from_numpy(make_image("tb", seed=2, size=128).image)[None], (96, 96))[2]
    assert torch.equal(field, (255 * lung_ellipses((24, 24))).byte())
    assert torch.equal(field, field.flip(-1))
    assert field[0, 12, [0, 6, 12, 17, 23]].tolist() == [0, 255, 0, 255, 0]


def test_metadata_stay_and_maps_come_back() -> None:
    image = MetaTensor(torch.from_numpy(make_image("tb", seed=2, size=128).image)[None], meta={"name": "a"})
    data = CropToLungsd((32, 32))({"image": image, "label": 1})
    assert set(data) == {"image", "label", "lung_crop"}
    assert isinstance(data["image"], MetaTensor)
    assert data["image"].meta["name"] == "a"
    back = MapToWholeImaged((64, 64))({**data, "tb_map": MetaTensor(torch.ones(1, 8, 8))})["tb_map"]
    torch.testing.assert_close(back, whole((64, 64), torch.ones(1, 8, 8), data["lung_crop"]))
    assert not isinstance(back, MetaTensor)
    uncropped = torch.rand(1, 8, 8)
    assert MapToWholeImaged((64, 64))({"tb_map": uncropped})["tb_map"] is uncropped


def test_bad_size() -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        CropToLungsd((0, 4))
