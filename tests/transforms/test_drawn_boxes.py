from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_tbkd.data import FilmTurn
from monai_tbkd.transforms import DrawnBoxesd

ALL = [FilmTurn(*each) for each in itertools.product([False, True], repeat=3)]


def seen(turn: FilmTurn, boxes: list[list[float]] | None, **more: torch.Tensor) -> dict:
    """An item as it is after a stored film of 80 x 160 pixels was read and brought to 40 x 40."""
    height, width = (160, 80) if turn.transpose else (80, 160)
    meta = {"original_size": np.array([height, width]), "turn": str(turn)}
    return DrawnBoxesd(grid=20)({"image": MetaTensor(torch.zeros(1, 40, 40), meta=meta), "boxes": boxes, **more})


@pytest.mark.parametrize("turn", ALL, ids=lambda turn: str(turn) or "none")
def test_masks_lie_where_the_box_lies_on_the_upright_film(turn: FilmTurn) -> None:
    stored = np.zeros((80, 160))
    stored[16:32, 32:112] = 1
    item = seen(turn, [[32, 16, 112, 32]])
    upright = turn.upright(stored)
    expected = upright.reshape(20, upright.shape[0] // 20, 20, upright.shape[1] // 20).mean(axis=(1, 3))
    np.testing.assert_array_equal(item["true_mask"][0], expected == 1)
    expected = upright.reshape(40, upright.shape[0] // 40, 40, upright.shape[1] // 40).mean(axis=(1, 3))
    np.testing.assert_array_equal(item["box_mask"][0], expected * 255)
    assert item["boxes_known"] == 1.0 and "boxes" not in item


def test_on_a_cut_the_mask_is_that_of_the_cut() -> None:
    # the right half of the film; the box covers its left quarter
    item = seen(FilmTurn(), [[80, 0, 100, 80]], lung_crop=torch.tensor([0.5, 0.0, 1.0, 1.0]))
    assert item["box_mask"].shape == (1, 40, 40)
    assert (item["box_mask"][0, :, :10] == 255).all() and (item["box_mask"][0, :, 10:] == 0).all()
    assert item["true_mask"][0].nonzero()[:, 1].unique().tolist() == [10, 11]  # of the whole film: x 10 to 12.5


def test_none_known_and_none_there_differ() -> None:
    unknown, none = seen(FilmTurn(), None), seen(FilmTurn(), [])
    assert (unknown["boxes_known"], none["boxes_known"]) == (0.0, 1.0)
    assert not unknown["box_mask"].any() and not none["true_mask"].any()
