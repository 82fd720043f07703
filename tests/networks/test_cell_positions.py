from __future__ import annotations

import torch

from monai_tbkd.networks.cell_positions import at_coarser_size, mean_around_cells


def at_size(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return at_coarser_size(maps, torch.zeros(1, 1, *size))[0]


def test_cells_that_lie_on_the_coarser_grid_are_kept_as_they_are() -> None:
    fine = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert at_size(fine, (2, 2))[0, 0].tolist() == [[0, 2], [8, 10]]
    # 257 pixels have 33 cells of stride 8 and 17 of stride 16: every second one
    assert at_size(torch.arange(33.0).reshape(1, 1, 33, 1), (17, 1)).flatten().tolist() == list(range(0, 33, 2))


def test_other_sizes_are_averaged_and_each_side_meets_at_its_coarser() -> None:
    averaged = at_size(torch.tensor([0.0, 1, 2, 3, 4]).reshape(1, 1, 1, 5), (1, 4))
    assert averaged.flatten().tolist() == [0.5, 1.5, 2.5, 3.5]
    one, other = at_coarser_size(torch.zeros(2, 3, 8, 4), torch.zeros(2, 5, 4, 8))
    assert (one.shape, other.shape) == ((2, 3, 4, 4), (2, 5, 4, 4))


def test_a_cell_counts_the_mask_around_its_pixel() -> None:
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 0:2, 2:6] = 1  # rows of cell row 0 that are on the image; columns of cell column 1
    # cell (0, 0): rows 0-1, columns 0-1; cell (0, 1): rows 0-1, columns 2-5
    assert mean_around_cells(mask, (2, 2))[0, 0].tolist() == [[0.0, 1.0], [0.0, 0.0]]
