"""Geometry of maps: cell ``i`` of a map lies on pixel ``stride * i`` of the network's input.

A convolutional network with symmetric padding puts its cells there, not on the middle of the ``i``-th tile, half a cell
further right and down, where class activation maps are often drawn.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def at_cells(field: torch.Tensor, cells: tuple[int, int]) -> torch.Tensor:
    """Sample a field ``(B, 1, H, W)`` of 0-255 at a map's cells, smoothed over about two cells; 0-1.

    The field has a quarter of the image's pixels along each side.
    """
    smooth = F.avg_pool2d(field.float() / 255.0, 7, stride=1, padding=3, count_include_pad=False)
    return sample_at_cells(smooth, cells)


def sample_at_cells(field: torch.Tensor, cells: tuple[int, int]) -> torch.Tensor:
    """Sample a field ``(B, 1, H, W)`` at a map's cells, as `at_cells` does, without smoothing and in its own units."""
    strides = [-(-4 * pixels // n) / 4 for pixels, n in zip(field.shape[-2:], cells, strict=True)]
    at = [
        2 * stride * torch.arange(n, device=field.device) / pixels - 1
        for stride, pixels, n in zip(strides, field.shape[-2:], cells, strict=True)
    ]
    grid = torch.stack(torch.meshgrid(at[1], at[0], indexing="xy"), dim=-1)[None].expand(len(field), -1, -1, -1)
    return F.grid_sample(field, grid, padding_mode="border", align_corners=False)


def mean_around_cells(mask: torch.Tensor, cells: tuple[int, int]) -> torch.Tensor:
    """Mean of a mask ``(B, 1, H, W)``, of the input's size, one stride wide around each cell: ``(B, 1, *cells)``.

    What lies beyond the image does not count.
    """
    if mask.shape[-2] < cells[0] or mask.shape[-1] < cells[1]:
        raise ValueError(f"Masks are {tuple(mask.shape[-2:])} for a map of {cells}; expected at least as many pixels.")
    strides = [-(-pixels // number) for pixels, number in zip(mask.shape[-2:], cells)]
    halves = [stride // 2 for stride in strides]
    pooled = F.avg_pool2d(mask, strides, stride=strides, padding=halves, count_include_pad=False)
    return pooled[..., : cells[0], : cells[1]]


def at_coarser_size(one: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Bring two maps ``(B, C, h, w)`` of the same image to the coarser of their sizes, height and width each.

    Every second cell of a map of stride 8 lies on a cell of one of stride 16: cells are left out where that gives the
    size, and averaged where it does not.
    """
    size = (min(one.shape[-2], other.shape[-2]), min(one.shape[-1], other.shape[-1]))
    return _at_size(one, size), _at_size(other, size)


def _at_size(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    steps = [-(-cells // wanted) for cells, wanted in zip(maps.shape[-2:], size)]
    if all(len(range(0, n, step)) == wanted for n, step, wanted in zip(maps.shape[-2:], steps, size)):
        return maps[..., :: steps[0], :: steps[1]]
    return F.adaptive_avg_pool2d(maps, size)


def mean_with_mirror(own: torch.Tensor, mirrored: torch.Tensor, width: int, output_stride: int) -> torch.Tensor:
    """Average maps ``(B, C, h, w)`` of images and of their mirror images (not turned back), each cell at its position.

    Cell j of the mirror image's map is at its pixel stride * j, which is pixel width - 1 - stride * j of the image, so
    that map is turned back and moved by the rest. ``width`` is of the images in pixels.
    """
    turned = mirrored.flip([-1])
    rest = (width - 1 - output_stride * (own.shape[-1] - 1)) / output_stride  # in cells, 0 to below 1
    left = torch.cat([turned[..., :1], turned[..., :-1]], dim=-1)
    return 0.5 * (own + rest * left + (1.0 - rest) * turned)


def on_tiles(maps: torch.Tensor, output_stride: int, size: tuple[int, int], tile: int) -> torch.Tensor:
    """Read maps ``(B, C, h, w)`` on a finer grid whose cells are tiles of the image, about ``tile`` pixels wide.

    ``size`` is (height, width) of the input in pixels.
    """
    positions = []
    for cells, pixels in zip(maps.shape[-2:], size):
        number = max(1, round(pixels / tile))
        # middles of the tiles in pixels (the middle of pixel 0 is 0), then in cells of the map
        middles = (torch.arange(number, device=maps.device, dtype=torch.float64) + 0.5) * pixels / number - 0.5
        positions.append((middles / output_stride).to(maps.dtype) * (2.0 / max(cells - 1, 1)) - 1.0)
    grid = torch.stack(torch.meshgrid(positions[1], positions[0], indexing="xy"), dim=-1)[None]  # (1, H, W, 2), x first
    return F.grid_sample(maps, grid.expand(len(maps), -1, -1, -1), padding_mode="border", align_corners=True)
