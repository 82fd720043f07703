from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from monai_tbkd.transforms import DrawnBoxesd


def seen(boxes: list[list[float]] | None, **more: torch.Tensor) -> dict[Any, Any]:
    """An item as it is after a film of 80 rows and 160 columns was read and brought to 40 x 40."""
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
    # the right half of the film; the box covers its left quarter
    item = seen([[80, 0, 100, 80]], lung_crop=torch.tensor([0.5, 0.0, 1.0, 1.0]))
    assert item["box_mask"].shape == (1, 40, 40)
    assert (item["box_mask"][0, :, :10] == 255).all() and (item["box_mask"][0, :, 10:] == 0).all()
    assert item["true_mask"][0].nonzero()[:, 1].unique().tolist() == [10, 11]  # of the whole film: x 10 to 12.5


def test_none_known_and_none_there_differ() -> None:
    unknown, none = seen(None), seen([])
    assert (unknown["boxes_known"], none["boxes_known"]) == (0.0, 1.0)
    assert not unknown["box_mask"].any() and not none["true_mask"].any()


def test_a_cut_to_the_lungs_lies_inside_of_what_plain_borders_leave() -> None:
    twice = {"inside": torch.tensor([0.5, 0.0, 1.0, 1.0]), "lung_crop": torch.tensor([0.0, 0.0, 0.5, 1.0])}
    once = seen([[80, 0, 100, 80]], lung_crop=torch.tensor([0.5, 0.0, 0.75, 1.0]))
    assert torch.equal(seen([[80, 0, 100, 80]], **twice)["box_mask"], once["box_mask"])
    assert once["box_mask"].any()
