"""A network that looks at a film several times, mirrored and at other sizes, and gives the mean of its maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


class AveragedNet(nn.Module):
    """Mean of a network's maps over mirror images and sizes of a film, each brought back to the film's own cells.

    Cell i of a strided network looks at pixel ``stride * i``. In the mirror image of a film whose width is a multiple
    of the stride, its cells look at pixels ``stride * i - 1``, almost a cell away, so that a map must not just be
    mirrored back. Here the mirror image is first moved by the few pixels that make its cells fall on the film's: what
    lies beyond is the edge's own value. Then mirroring the map back is exact. At another size the map is read,
    bilinear, where the film's cells look.

    Args:
        network: from films ``(B, C, H, W)`` to maps ``(B, K, ceil(H / stride), ceil(W / stride))``.
        output_stride: pixels of the film per cell of the map.
        mirror: look at the mirror image as well, at each size.
        scales: sizes as shares of the film's; 1.0 is the film itself.

    Raises:
        ValueError: a stride or scale that is not above 0, or no scale.

    Example:
        >>> pool = nn.AvgPool2d(1, stride=4)
        >>> film = torch.arange(8.0).repeat(8, 1)[None, None]
        >>> AveragedNet(pool, output_stride=4)(film)[0, 0, 0]
        tensor([0., 4.])
    """

    def __init__(
        self, network: nn.Module, output_stride: int, mirror: bool = True, scales: Sequence[float] = (1.0,)
    ) -> None:
        super().__init__()
        if output_stride < 1 or not scales or min(scales) <= 0:
            raise ValueError(f"output_stride is {output_stride} and scales are {scales}; expected above 0, and one.")
        self.network, self.output_stride, self.mirror = network, int(output_stride), mirror
        self.scales = tuple(float(scale) for scale in scales)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Mean map in logits, ``(B, K, h, w)`` on the cells that the network itself has of films ``(B, C, H, W)``."""
        maps = []
        for scale in self.scales:
            size = tuple(max(1, round(scale * side)) for side in image.shape[-2:])
            film = image
            if size != tuple(image.shape[-2:]):
                film = F.interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=True)
            looks = [self._look(film)]
            if self.mirror:
                looks.append(self._look_at_mirror_image(film))
            maps += [self._on_cells_of(image, film, look) for look in looks]
        return torch.stack(maps).mean(dim=0)

    def _look(self, film: torch.Tensor) -> torch.Tensor:
        found = self.network(film)
        expected = tuple(-(-side // self.output_stride) for side in film.shape[-2:])
        if tuple(found.shape[-2:]) != expected:
            raise ValueError(
                f"The map of a film of {tuple(film.shape[-2:])} pixels is {tuple(found.shape[-2:])}; at an output "
                f"stride of {self.output_stride} it should be {expected}."
            )
        return found  # type: ignore[no-any-return]

    def _look_at_mirror_image(self, film: torch.Tensor) -> torch.Tensor:
        width = film.shape[-1]
        # pixel x of the film is pixel width - 1 - x + moved of the mirror image; for multiples of the stride that has
        # to be a multiple of the stride
        moved = (1 - width) % self.output_stride
        mirrored = F.pad(film.flip(-1), (moved, 0, 0, 0), mode="replicate")
        last = (width - 1 + moved) // self.output_stride  # the mirror image's cell at the film's cell 0
        cells = -(-width // self.output_stride)
        return self._look(mirrored)[..., last - cells + 1 : last + 1].flip(-1)

    def _on_cells_of(self, image: torch.Tensor, film: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        if film.shape[-2:] == image.shape[-2:]:
            return found
        rows, columns = (
            self._positions(of_image, of_film, cells, found)
            for of_image, of_film, cells in zip(image.shape[-2:], film.shape[-2:], found.shape[-2:])
        )
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)  # (h, w, 2), x first
        grid = grid.expand(len(found), -1, -1, -1)
        return F.grid_sample(found, grid, mode="bilinear", padding_mode="border", align_corners=True)

    def _positions(self, of_image: int, of_film: int, cells: int, like: torch.Tensor) -> torch.Tensor:
        # where the image's cells look, in its pixels; the same places in the resized film's pixels and then its cells
        pixels = self.output_stride * torch.arange(-(-of_image // self.output_stride), dtype=torch.float64)
        in_film = ((pixels + 0.5) * of_film / of_image - 0.5) / self.output_stride
        return (in_film * (2.0 / max(cells - 1, 1)) - 1.0).to(like)
