"""Values of an image at the positions of a map's cells."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def at_cells(field: torch.Tensor, cells: tuple[int, int]) -> torch.Tensor:
    """Sample a field at a map's cells, smoothed over about two cells.

    Cell i lies on pixel stride * i, half a cell to the left of and above the middle of the i-th tile.

    Args:
        field: ``(B, 1, H, W)`` of 0-255, with a quarter of the image's pixels along each side.
        cells: (h, w) of the map.

    Returns:
        ``(B, 1, h, w)`` of 0-1.
    """
    smooth = F.avg_pool2d(field.float() / 255.0, 7, stride=1, padding=3, count_include_pad=False)
    return sample_at_cells(smooth, cells)


def sample_at_cells(field: torch.Tensor, cells: tuple[int, int]) -> torch.Tensor:
    """As `at_cells`, of a field that is smooth already, in its own units."""
    strides = [-(-4 * pixels // n) / 4 for pixels, n in zip(field.shape[-2:], cells, strict=True)]
    at = [
        2 * stride * torch.arange(n, device=field.device) / pixels - 1
        for stride, pixels, n in zip(strides, field.shape[-2:], cells, strict=True)
    ]
    grid = torch.stack(torch.meshgrid(at[1], at[0], indexing="xy"), dim=-1)[None].expand(len(field), -1, -1, -1)
    return F.grid_sample(field, grid, padding_mode="border", align_corners=False)
