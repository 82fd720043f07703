from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from monai_tbkd.networks import ActivationMapNet, AverageMapPool
from monai_tbkd.transforms import MapToTBProbability, MapToTBProbabilityd, MapToTBScore, MapToTBScored


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
