from __future__ import annotations

import torch

from monai_tbkd.losses.map_size import at_coarser_size, at_size


def test_cells_that_lie_on_the_coarser_grid_are_kept_as_they_are() -> None:
    fine = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert at_size(fine, (2, 2))[0, 0].tolist() == [[0, 2], [8, 10]]
    # 257 pixels have 33 cells of stride 8 and 17 of stride 16: every second one
    assert at_size(torch.arange(33.0).reshape(1, 1, 33, 1), (17, 1)).flatten().tolist() == list(range(0, 33, 2))


def test_other_sizes_are_averaged() -> None:
    assert at_size(torch.tensor([0.0, 1, 2, 3, 4]).reshape(1, 1, 1, 5), (1, 4)).flatten().tolist() == [
        0.5,
        1.5,
        2.5,
        3.5,
    ]


def test_each_side_meets_at_its_coarser() -> None:
    one, other = at_coarser_size(torch.zeros(2, 3, 8, 4), torch.zeros(2, 5, 4, 8))
    assert (one.shape, other.shape) == ((2, 3, 4, 4), (2, 5, 4, 4))
