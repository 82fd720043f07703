from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from monai_tbkd.transforms import BoxMaskd, DrawnBoxesd, box_masks, image_box_mask
from monai_tbkd.transforms.box_mask import polygon_masks


def test_cells_by_their_centers() -> None:
    mask = box_masks(np.array([[0.6, 0.4, 2.4, 1.6]]), (3, 4))
    assert np.argwhere(mask).tolist() == [[0, 1], [1, 1]]


def test_tiny_box_has_a_cell_and_two_boxes_unite() -> None:
    assert box_masks(np.array([[3.9, 2.9, 3.95, 2.95]]), (3, 4)).sum() == 1
    assert box_masks(np.array([[0, 0, 2, 2], [1, 1, 3, 3]]), (4, 4)).sum() == 7


def test_image_boxes_go_by_size() -> None:
    item = {"boxes": [[50, 0, 100, 100]], "size": [200, 100]}
    mask = image_box_mask(item, 4)
    assert np.argwhere(mask).tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]
    assert not image_box_mask({"boxes": None, "size": [200, 100]}, 4).any()


def test_dictionary_form_takes_the_lists_away() -> None:
    out = BoxMaskd(4)({"boxes": [[50, 0, 100, 100]], "size": [200, 100], "name": "a"})
    assert set(out) == {"box_mask", "name"}
    assert out["box_mask"].shape == (1, 4, 4)
    assert out["box_mask"].dtype == torch.uint8


def test_outlines_go_before_the_boxes_around_them() -> None:
    lesion = [[0, 0], [100, 0], [0, 200]]
    item = {"boxes": [[0, 0, 100, 200]], "polygons": [lesion], "size": [200, 100]}
    mask = image_box_mask(item, 4)
    assert mask.astype(int).tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    out = BoxMaskd(4)(item)
    assert set(out) == {"box_mask"}
    assert out["box_mask"][0].bool().tolist() == mask.tolist()


def test_a_tiny_outline_has_a_cell_and_one_over_the_edge_is_cropped() -> None:
    assert np.argwhere(polygon_masks([np.array([[2.6, 1.6], [2.7, 1.6], [2.6, 1.7]])], (4, 4))).tolist() == [[1, 2]]
    assert polygon_masks([np.array([[-9.0, -9], [9, -9], [9, 9], [-9, 9]])], (4, 4)).all()


def seen(boxes: list[list[float]] | None, **more: torch.Tensor) -> dict[Any, Any]:
    """An item as it is after an image of 80 rows and 160 columns was read and brought to 40 x 40."""
    meta = {"original_size": np.array([80, 160])}
    return DrawnBoxesd(grid=20)({"image": MetaTensor(torch.zeros(1, 40, 40), meta=meta), "boxes": boxes, **more})


def test_masks_lie_where_the_box_lies() -> None:
    item = seen([[32, 16, 112, 32]])
    assert item["true_mask"][0].nonzero().amin(0).tolist() == [4, 4]
    assert item["true_mask"][0].nonzero().amax(0).tolist() == [7, 13]
    expected = torch.zeros(40, 40, dtype=torch.uint8)
    expected[8:16, 8:28] = 255
    assert torch.equal(item["box_mask"][0], expected)
    assert item["boxes_known"] == 1.0 and "boxes" not in item


def test_on_a_cut_the_mask_is_that_of_the_cut() -> None:
    # the right half of the image; the box covers its left quarter
    item = seen([[80, 0, 100, 80]], lung_crop=torch.tensor([0.5, 0.0, 1.0, 1.0]))
    assert item["box_mask"].shape == (1, 40, 40)
    assert (item["box_mask"][0, :, :10] == 255).all() and (item["box_mask"][0, :, 10:] == 0).all()
    assert item["true_mask"][0].nonzero()[:, 1].unique().tolist() == [10, 11]  # of the whole image: x 10 to 12.5


def test_none_known_and_none_there_differ() -> None:
    unknown, none = seen(None), seen([])
    assert (unknown["boxes_known"], none["boxes_known"]) == (0.0, 1.0)
    assert not unknown["box_mask"].any() and not none["true_mask"].any()


def test_a_cut_to_the_lungs_lies_inside_of_what_plain_borders_leave() -> None:
    twice = {"inside": torch.tensor([0.5, 0.0, 1.0, 1.0]), "lung_crop": torch.tensor([0.0, 0.0, 0.5, 1.0])}
    once = seen([[80, 0, 100, 80]], lung_crop=torch.tensor([0.5, 0.0, 0.75, 1.0]))
    assert torch.equal(seen([[80, 0, 100, 80]], **twice)["box_mask"], once["box_mask"])
    assert once["box_mask"].any()
