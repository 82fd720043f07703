from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_tbkd.transforms import MapToBoxes, MapToBoxesd


def two_blobs() -> torch.Tensor:
    tb_map = torch.full((1, 8, 10), 0.1)
    tb_map[0, 1:3, 6:10] = 0.7  # rows 1-2, columns 6-9
    tb_map[0, 5:8, 0:2] = 0.9
    return tb_map


def test_boxes_and_scores_by_hand() -> None:
    found = MapToBoxes((8, 10), threshold=0.5, smallest_area=0.0)(two_blobs())
    assert found.boxes.tolist() == [[0, 5, 2, 8], [6, 1, 10, 3]]
    assert found.scores.tolist() == pytest.approx([0.9, 0.7])


def test_gate_area_and_number() -> None:
    gated = MapToBoxes((8, 10), score_threshold=0.6, smallest_area=0.0)
    assert len(gated(two_blobs(), 0.59).boxes) == 0
    assert len(gated(two_blobs(), 0.60).boxes) == 2
    assert MapToBoxes((8, 10), smallest_area=7 / 80)(two_blobs()).boxes.tolist() == [[6, 1, 10, 3]]
    assert len(MapToBoxes((8, 10), smallest_area=0.0, largest_number=1)(two_blobs()).boxes) == 1


def test_cells_that_touch_at_a_corner_are_one_box() -> None:
    tb_map = torch.eye(4)[None]
    assert MapToBoxes((4, 4), smallest_area=0.0)(tb_map).boxes.tolist() == [[0, 0, 4, 4]]


def test_relative_threshold_and_flat_map() -> None:
    relative = MapToBoxes((8, 10), threshold=0.5, mode="relative", smallest_area=0.0)
    assert len(relative(two_blobs() * 0.01).boxes) == 2
    assert relative(torch.full((1, 8, 10), 0.9)).boxes.shape == (0, 4)


def test_upsampled_block_keeps_its_place() -> None:
    tb_map = torch.zeros(1, 8, 8)
    tb_map[0, 0:2, 5:8] = 1.0
    (box,) = MapToBoxes((64, 64), threshold=0.5)(tb_map).boxes.tolist()
    assert box == pytest.approx([40, 0, 64, 16], abs=0.5)


@given(top=st.integers(0, 6), left=st.integers(0, 6), height=st.integers(1, 6), width=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_any_block_comes_back(top: int, left: int, height: int, width: int) -> None:
    tb_map = torch.zeros(1, 12, 12)
    tb_map[0, top : top + height, left : left + width] = 0.8
    found = MapToBoxes((12, 12), threshold=0.5, smallest_area=0.0)(tb_map)
    assert found.boxes.tolist() == [[left, top, left + width, top + height]]


def test_dictionary_form() -> None:
    transform = MapToBoxesd((8, 10), score_threshold=0.5, smallest_area=0.0)
    out = transform({"tb_map": two_blobs(), "score": torch.tensor([0.8])})
    assert out["pred_boxes"].shape == (2, 4)
    assert transform({"tb_map": two_blobs(), "score": torch.tensor([0.2])})["pred_box_scores"].shape == (0,)


@pytest.mark.parametrize(
    "arguments", [{"mode": "otsu"}, {"threshold": 1.5}, {"score_threshold": -1}, {"largest_number": 0}]
)
def test_bad_numbers(arguments: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        MapToBoxes((4, 4), **arguments)
