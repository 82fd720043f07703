from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_tbkd.data import ImageError, ReasonCode
from monai_tbkd.data.phantom import make_image
from monai_tbkd.transforms import BoxesToImaged, CropBorderd, MapToWholeImaged

IMAGE = make_image("tb", seed=3, size=256).image


def read(picture: np.ndarray) -> MetaTensor:
    return MetaTensor(
        torch.from_numpy(picture.astype(np.float32))[None], meta={"warnings": "UNTAGGED", "filename_or_obj": "a.png"}
    )


def on_canvas() -> np.ndarray:
    """The image at rows 0 to 256, columns 300 to 556 of a picture that is 800 wide."""
    picture = np.zeros((256, 800), dtype=np.uint8)
    picture[:, 300:556] = IMAGE
    return picture


def test_what_the_network_gets_is_the_image_alone() -> None:
    item = CropBorderd()({"image": read(on_canvas())})
    assert torch.equal(item["image"].as_tensor(), torch.from_numpy(IMAGE.astype(np.float32))[None])
    assert item["inside"].tolist() == [0.375, 0.0, 0.6949999928474426, 1.0]
    assert item["image"].meta["warnings"] == "UNTAGGED; PLAIN_BORDER"
    assert item["image"].meta["pixel_steps"] == "plain border cut off: rows 0 to 256, columns 300 to 556 are left"


def test_an_image_without_a_large_border_is_left_as_it_is() -> None:
    image = read(np.pad(IMAGE, 15))
    item = CropBorderd()({"image": image})
    assert item["image"] is image and image.meta["warnings"] == "UNTAGGED" and "pixel_steps" not in image.meta
    assert item["inside"].tolist() == [0, 0, 1, 1]


def test_boxes_and_maps_come_back_to_the_picture() -> None:
    item: dict[str, Any] = CropBorderd()({"image": read(on_canvas())})
    tb_map = torch.zeros(1, 64, 64)
    tb_map[:, 16:32, 32:48] = 1  # of the image: rows 64 to 128, columns 128 to 192
    item |= {"pred_boxes": torch.tensor([[32.0, 16.0, 48.0, 32.0]]), "original_size": [256, 800], "tb_map": tb_map}
    item = MapToWholeImaged(position_key="inside")(BoxesToImaged((64, 64), position_key="inside")(item))
    assert item["pred_boxes"].tolist() == [[428, 64, 492, 128]]
    assert item["tb_map"].shape == (1, 64, 64)
    rows, columns = torch.nonzero(item["tb_map"][0] > 0.5, as_tuple=True)
    edges = [columns.min() * 12.5, rows.min() * 4, (columns.max() + 1) * 12.5, (rows.max() + 1) * 4]
    np.testing.assert_allclose(edges, [428, 64, 492, 128], atol=12.5)


def test_of_an_image_that_is_not_cut_maps_are_untouched() -> None:
    item = CropBorderd()({"image": read(IMAGE)}) | {"tb_map": torch.rand(1, 7, 9)}
    assert MapToWholeImaged(position_key="inside")(item)["tb_map"] is item["tb_map"]


def test_unusual_shapes_and_several_pictures_are_told() -> None:
    def warnings(picture: np.ndarray) -> str:
        return str(CropBorderd()({"image": read(picture)})["image"].meta["warnings"])

    assert warnings(np.vstack([IMAGE, IMAGE])) == "UNTAGGED; UNUSUAL_SHAPE"
    assert warnings(np.repeat(IMAGE, 6, axis=1)) == "UNTAGGED; UNUSUAL_SHAPE"
    assert warnings(np.pad(np.hstack([np.pad(IMAGE, 12)] * 2), 20)) == "UNTAGGED; SEVERAL_PICTURES; UNUSUAL_SHAPE"
    assert warnings(IMAGE[:, :200]) == "UNTAGGED"


def test_too_little_inside_is_refused() -> None:
    with pytest.raises(ImageError, match="a plain border takes 68% of the picture, and what is inside has 256 x 256"):
        CropBorderd(min_side=300)({"image": read(on_canvas())})
    with pytest.raises(ImageError) as caught:
        CropBorderd(min_side=300)({"image": torch.from_numpy(on_canvas())[None]})
    assert caught.value.reason is ReasonCode.TOO_SMALL
    CropBorderd(min_side=300)({"image": read(IMAGE)})  # the reader judges whole images
