from __future__ import annotations

import numpy as np
import torch

from monai_tbkd.transforms import BoxMaskd, box_masks, film_box_mask
from monai_tbkd.transforms.box_mask import polygon_masks


def test_cells_by_their_centers() -> None:
    mask = box_masks(np.array([[0.6, 0.4, 2.4, 1.6]]), (3, 4))
    assert np.argwhere(mask).tolist() == [[0, 1], [1, 1]]


def test_tiny_box_has_a_cell_and_two_boxes_unite() -> None:
    assert box_masks(np.array([[3.9, 2.9, 3.95, 2.95]]), (3, 4)).sum() == 1
    assert box_masks(np.array([[0, 0, 2, 2], [1, 1, 3, 3]]), (4, 4)).sum() == 7


def test_film_boxes_go_by_size() -> None:
    item = {"boxes": [[50, 0, 100, 100]], "size": [200, 100]}
    mask = film_box_mask(item, 4)
    assert np.argwhere(mask).tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]
    assert not film_box_mask({"boxes": None, "size": [200, 100]}, 4).any()


def test_dictionary_form_takes_the_lists_away() -> None:
    out = BoxMaskd(4)({"boxes": [[50, 0, 100, 100]], "size": [200, 100], "name": "a"})
    assert set(out) == {"box_mask", "name"}
    assert out["box_mask"].shape == (1, 4, 4)
    assert out["box_mask"].dtype == torch.uint8


def test_outlines_go_before_the_boxes_around_them() -> None:
    lesion = [[0, 0], [100, 0], [0, 200]]
    item = {"boxes": [[0, 0, 100, 200]], "polygons": [lesion], "size": [200, 100]}
    mask = film_box_mask(item, 4)
    assert mask.astype(int).tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    out = BoxMaskd(4)(item)
    assert set(out) == {"box_mask"}
    assert out["box_mask"][0].bool().tolist() == mask.tolist()


def test_a_tiny_outline_has_a_cell_and_one_over_the_edge_is_cut() -> None:
    assert np.argwhere(polygon_masks([np.array([[2.6, 1.6], [2.7, 1.6], [2.6, 1.7]])], (4, 4))).tolist() == [[1, 2]]
    assert polygon_masks([np.array([[-9.0, -9], [9, -9], [9, 9], [-9, 9]])], (4, 4)).all()
