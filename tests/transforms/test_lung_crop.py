from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_tbkd.data.phantom import make_image
from monai_tbkd.transforms import CropToLungs, CropToLungsd, MapToWholeImaged
from monai_tbkd.transforms.lung_crop import lung_ellipses, resample


def lungs_at(images: torch.Tensor) -> torch.Tensor:
    """A lung field of the box 0.2, 0.1, 0.8, 0.9 on any image."""
    field = torch.zeros_like(images)
    height, width = images.shape[-2:]
    field[..., round(0.1 * height) : round(0.9 * height), round(0.2 * width) : round(0.8 * width)] = 1.0
    return field


def whole(size: tuple[int, int], tb_map: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    return MapToWholeImaged(size)({"tb_map": tb_map, "lung_crop": position})["tb_map"]


def test_place_by_hand() -> None:
    position = CropToLungs((8, 8), margin=0.1).position(np.array([0.2, 0.1, 0.8, 0.9]))
    np.testing.assert_allclose(position, [0.125, 0.0, 0.875, 1.0])  # 0.6 is 80 % of 0.75, 0.8 of 1


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.2])
def test_lungs_reach_from_margin_to_margin(margin: float) -> None:
    image = (lungs_at(torch.zeros(1, 1, 200, 100))[0] * 200).to(torch.uint8)
    cut, _, field = CropToLungs((100, 100), margin, lungs_at)(image)
    edge = round(100 * margin)
    assert (cut[0, edge + 1 : 99 - edge, edge + 1 : 99 - edge] == 200).all()
    if margin:
        assert (cut[0, : edge - 1] == 0).all()
        assert (cut[0, :, : edge - 1] == 0).all()
    assert field.shape == (1, 25, 25)
    assert float(field.mean()) == pytest.approx((1 - 2 * margin) ** 2, abs=0.05)


def test_a_block_comes_back_to_its_place() -> None:
    image = torch.from_numpy(make_image("health", seed=2, size=128).image)[None]
    image[0, 36:52, 80:96] = 255
    image[image < 255] //= 2
    cut, position, _ = CropToLungs((96, 96))(image)
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
    cut, position, _ = CropToLungs((32, 48))(image)
    assert cut.dtype == torch.uint8
    assert cut.shape == (1, 32, 48)
    assert position.dtype == torch.float32
    floats, same, _ = CropToLungs((32, 48))(image.float())
    assert floats.dtype == torch.float32
    torch.testing.assert_close(same, position)
    torch.testing.assert_close(floats, cut.float(), atol=0.5, rtol=0)


def test_refused_image_has_a_map_of_nothing() -> None:
    assert torch.equal(whole((3, 5), torch.ones(1, 2, 2), torch.zeros(4)), torch.zeros(1, 3, 5))


def test_without_a_network_the_field_is_two_ellipses() -> None:
    image = torch.from_numpy(make_image("tb", seed=2, size=128).image)[None]
    field = CropToLungs((96, 96), margin=0.07)(image)[2]
    torch.testing.assert_close(field, lung_ellipses((24, 24), 0.07))
    torch.testing.assert_close(field, field.flip(-1))
    assert field[0, 12, [0, 6, 12, 17, 23]].tolist() == [0, 1, 0, 1, 0]


def test_dictionary_forms() -> None:
    image = MetaTensor(torch.from_numpy(make_image("tb", seed=2, size=128).image)[None], meta={"name": "a"})
    data = CropToLungsd((32, 32), field_key="field")({"image": image, "label": 1})
    cut, position, field = CropToLungs((32, 32))(image)
    assert isinstance(data["image"], MetaTensor)
    assert data["image"].meta["name"] == "a"
    assert torch.equal(data["image"].as_tensor(), cut)
    assert torch.equal(data["lung_crop"], position)
    assert data["field"].dtype == torch.uint8
    assert torch.equal(data["field"], (255 * field).byte())
    assert set(CropToLungsd((32, 32))({"image": image})) == {"image", "lung_crop"}
    back = MapToWholeImaged((64, 64))({**data, "tb_map": MetaTensor(torch.ones(1, 8, 8))})["tb_map"]
    torch.testing.assert_close(back, whole((64, 64), torch.ones(1, 8, 8), position))
    assert not isinstance(back, MetaTensor)
    uncropped = torch.rand(1, 8, 8)
    assert MapToWholeImaged((64, 64))({"tb_map": uncropped})["tb_map"] is uncropped


def test_bad_options() -> None:
    for size, margin in (((0, 4), 0.1), ((4, 4), 0.5), ((4, 4), -0.1)):
        with pytest.raises(ValueError, match="expected at least 1, and 0 to below"):
            CropToLungs(size, margin)
