from __future__ import annotations

import math

import pytest
import torch

from monai_tbkd.losses import BoxSupervisionLoss
from monai_tbkd.losses.box_supervision import cell_shares


def test_a_cell_counts_the_mask_around_its_pixel() -> None:
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 0:2, 2:6] = 1  # rows of cell row 0 that are on the film; columns of cell column 1
    # cell (0, 0): rows 0-1, columns 0-1; cell (0, 1): rows 0-1, columns 2-5
    assert cell_shares(mask, (2, 2))[0, 0].tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_value_by_hand() -> None:
    maps = torch.tensor([[[[0.0, 2.0], [0.0, -1.0]]]])
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 0:2, 2:6] = 1
    softplus = lambda z: math.log1p(math.exp(z))  # noqa: E731
    expected = (2 * softplus(0.0) + softplus(-2.0) + softplus(-1.0)) / 4
    assert float(BoxSupervisionLoss()(maps, mask)) == pytest.approx(expected, abs=1e-6)


def test_one_logit_equals_two() -> None:
    one = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    mask = (torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(1)) > 0.7).float()
    loss = BoxSupervisionLoss()
    assert float(loss(one, mask)) == pytest.approx(float(loss(torch.cat([torch.zeros_like(one), one], 1), mask)))


def test_films_whose_boxes_are_unknown_take_no_part() -> None:
    maps = torch.randn(2, 1, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = torch.zeros(2, 1, 8, 8)
    mask[1] = torch.nan
    loss = BoxSupervisionLoss()
    assert float(loss(maps, mask)) == pytest.approx(float(loss(maps[:1], mask[:1])))
    alone = loss(maps[1:], mask[1:])
    alone.backward()
    assert float(alone.detach()) == 0 and maps.grad is not None and not maps.grad.any()


def test_other_films_are_refused() -> None:
    with pytest.raises(ValueError, match="Box masks"):
        BoxSupervisionLoss()(torch.zeros(2, 1, 2, 2), torch.zeros(1, 1, 8, 8))
