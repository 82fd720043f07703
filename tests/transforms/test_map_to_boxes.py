from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import MetaTensor
from torch import nn

from monai_tbkd.networks import ActivationMapNet, AverageMapPool
from monai_tbkd.transforms import (
    BoxesToImaged,
    MapToBoxes,
    MapToBoxesd,
    MapToMask,
    MapToTBProbability,
    MapToTBProbabilityd,
    MapToTBScore,
    MapToTBScored,
    rescale_boxes,
)
from monai_tbkd.transforms.map_to_boxes import level_map


def test_score_is_the_softmax_of_the_pooled_map() -> None:
    activation_map = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    expected = activation_map.mean((1, 2)).softmax(0)[2]
    torch.testing.assert_close(MapToTBScore(AverageMapPool())(activation_map), expected[None])


def test_dictionary_forms_take_meta_tensors() -> None:
    data = {"pred": MetaTensor(torch.zeros(1, 2, 2))}
    score = MapToTBScored(AverageMapPool())(data)["score"]
    tb_map = MapToTBProbabilityd(output_stride=8, size=(16, 16))(data)["tb_map"]
    assert score.tolist() == [0.5]
    assert tb_map.shape == (1, 4, 4)
    assert not isinstance(score, MetaTensor)
    assert not isinstance(tb_map, MetaTensor)


def test_probability_by_hand() -> None:
    # cells of stride 2 on pixels 0 and 2; the four pixels lie at 0, half, one, and beyond the last cell
    logits = torch.tensor([[[0.0, 4.0]]])
    placed = MapToTBProbability(output_stride=2, size=(2, 4), cell=1)(logits)
    torch.testing.assert_close(placed, torch.tensor([[[0.0, 2.0, 4.0, 4.0]] * 2]).sigmoid())


def test_class_probabilities_and_bad_cell() -> None:
    logits = torch.randn(3, 1, 1, generator=torch.Generator().manual_seed(0))
    placed = MapToTBProbability(output_stride=4, size=(4, 4))(logits)
    torch.testing.assert_close(placed[0, 0, 0], logits[:, 0, 0].softmax(0)[2])
    with pytest.raises(ValueError, match=r"\(64, 64\) pixels .* has one of \(4, 4\)"):
        MapToTBProbability(output_stride=16, size=(64, 64))(torch.zeros(1, 4, 5))


@pytest.mark.parametrize("pixels", [512, 500])  # 500 is no multiple of 16 or 32
@pytest.mark.parametrize(("last_stage", "stride"), [("layer2", 8), ("layer3", 16), ("layer4", 16), ("layer4", 32)])
def test_a_bright_dot_is_found_where_it_is(last_stage: str, stride: int, pixels: int) -> None:
    # With equal weights everywhere the response to a dot is symmetric about it, so its center of mass is the dot.
    net = ActivationMapNet("resnet18", 1, 1, stride, width=0.125, last_stage=last_stage).double().eval()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.fill_(1.0 / module.weight[0].numel())
        image = torch.zeros(1, 1, pixels, pixels, dtype=torch.float64)
        row, column = 232, 296
        image[0, 0, row : row + 3, column : column + 3] = 1.0  # its middle is at pixel edge row + 1.5
        response = net(image)[0]
        response = response / response.max() * 0.1  # where the sigmoid is straight
        placed = MapToTBProbability(stride, (pixels, pixels))(response)[0].double() - 0.5
    middles = (torch.arange(placed.shape[0], dtype=torch.float64) + 0.5) * pixels / placed.shape[0]
    found_row = (placed.sum(1) * middles).sum() / placed.sum()
    found_column = (placed.sum(0) * middles).sum() / placed.sum()
    assert found_row.item() == pytest.approx(row + 1.5, abs=1.0)
    assert found_column.item() == pytest.approx(column + 1.5, abs=1.0)
    # drawn as tiles, it would be half a cell off
    tiles = (torch.arange(response.shape[1], dtype=torch.float64) + 0.5) * stride
    as_tiles = (response[0].sum(1) * tiles).sum() / response.sum()
    assert as_tiles.item() == pytest.approx(row + 1.5 + (stride - 1) / 2, abs=1.0)


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


def test_adaptive_threshold_follows_the_level_of_the_map() -> None:
    # a tenth of the map lies above 0.1, so half of its log-odds is subtracted: 0.1 becomes 0.25, 0.7 becomes 0.875
    tb_map = torch.full((1, 10, 10), 0.1)
    tb_map[0, 1:3, 6:10] = 0.7
    adapted = level_map(tb_map)
    assert adapted[0, 0, 0].item() == pytest.approx(0.25)
    assert adapted[0, 1, 6].item() == pytest.approx(0.875)
    boxes = MapToBoxes((10, 10), threshold=0.8, mode="adaptive", smallest_area=0.0)(tb_map)
    assert boxes.boxes.tolist() == [[6, 1, 10, 3]]
    assert boxes.scores.tolist() == pytest.approx([0.7])  # of the map as the network made it
    # another hospital's map, lower in log-odds as a whole by 2: it moves down by 1
    lower = torch.sigmoid(torch.logit(tb_map) - 2)
    torch.testing.assert_close(torch.logit(level_map(lower)), torch.logit(adapted) - 1)


def test_adaptive_threshold_drops_weak_regions_from_boxes_and_mask() -> None:
    tb_map = torch.full((1, 20, 20), 0.1)
    tb_map[0, 2:5, 2:5] = 0.95  # log-odds 2.9
    tb_map[0, 2:5, 12:15] = 0.9  # 2.2
    tb_map[0, 12:15, 2:5] = 0.4  # -0.4
    level = torch.logit(torch.tensor(0.1)) / 2
    threshold = torch.sigmoid(torch.tensor(-0.8) - level).item()  # halfway to the peak: 1.1
    found = MapToBoxes((20, 20), threshold, "adaptive", smallest_area=0.0)(tb_map)
    assert found.boxes.tolist() == [[2, 2, 5, 5], [12, 2, 15, 5]]
    mask = MapToMask((20, 20), threshold, "adaptive")(tb_map)
    assert mask[0, 12:15, 2:5].sum() == 0
    assert mask.sum() == 18


@pytest.mark.parametrize("value", [0.0, 1e-9, 0.5, 1.0])
def test_adaptive_threshold_of_a_flat_map_is_the_common_one(value: float) -> None:
    found = MapToBoxes((8, 10), threshold=0.5, mode="adaptive", smallest_area=0.0)(torch.full((1, 8, 10), value))
    assert len(found.boxes) == (value >= 0.5)


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


@given(
    st.tuples(*[st.floats(0, 1) for _ in range(4)]),
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
)
def test_there_and_back(corners: tuple, a: tuple[int, int], b: tuple[int, int]) -> None:
    x0, x1 = sorted(c * a[1] for c in corners[:2])
    y0, y1 = sorted(c * a[0] for c in corners[2:])
    box = torch.tensor([[x0, y0, x1, y1]])
    back = rescale_boxes(rescale_boxes(box, a, b), b, a)
    torch.testing.assert_close(back, box.float(), rtol=1e-5, atol=1e-2)


def test_refused_image_has_no_boxes_and_bad_sizes_raise() -> None:
    out = BoxesToImaged((8, 8))({"pred_boxes": torch.ones(2, 4), "original_size": [0, 0]})
    assert out["pred_boxes"].shape == (0, 4)
    with pytest.raises(ValueError, match="above 0"):
        rescale_boxes(torch.ones(1, 4), (0, 8), (8, 8))


def test_a_grid_on_a_part_of_the_image() -> None:
    item = {"pred_boxes": torch.tensor([[0.0, 2.0, 4.0, 8.0]]), "original_size": [100, 200]}
    out = BoxesToImaged((8, 8), position_key="inside")({**item, "inside": torch.tensor([0.5, 0.2, 0.9, 1.0])})
    assert out["pred_boxes"].tolist() == [[100, 40, 140, 100]]
    assert BoxesToImaged((8, 8), position_key="inside")(item)["pred_boxes"].tolist() == [[0, 25, 100, 100]]
