from __future__ import annotations

import pytest
import torch

from monai_tbkd.metrics import PointingGame


def test_hit_miss_and_film_without_boxes() -> None:
    true = torch.zeros(3, 1, 4, 4)
    true[:2, 0, :2, :2] = 1
    maps = torch.zeros(3, 1, 4, 4)
    maps[0, 0, 1, 1] = 1
    maps[1, 0, 3, 3] = 1
    metric = PointingGame()
    metric(maps, true)
    assert metric.aggregate().item() == pytest.approx(0.5)


def test_flat_map_gets_what_chance_would() -> None:
    true = torch.zeros(1, 1, 4, 4)
    true[0, 0, :2, :2] = 1
    metric = PointingGame()
    metric(torch.zeros(1, 1, 4, 4), true)
    assert metric.aggregate().item() == pytest.approx(0.25)


def test_coarse_map_is_brought_to_the_grid() -> None:
    true = torch.zeros(1, 1, 8, 8)
    true[0, 0, 4:, :4] = 1
    metric = PointingGame()
    metric([torch.tensor([[[0.0, 0.0], [1.0, 0.0]]])], [true[0]])
    assert metric.aggregate().item() == 1.0


def test_nan_is_refused_and_not_left_out() -> None:
    with pytest.raises(ValueError, match="1 of 16 values in maps are nan"):
        maps = torch.zeros(1, 1, 4, 4)
        maps[0, 0, 0, 0] = torch.nan
        PointingGame()(maps, torch.ones(1, 1, 4, 4))
