"""Crop an image to its lungs, and bring maps of the crop back to the image."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from numpy.typing import NDArray

from monai_tbkd.transforms.lung_box import LungBoxFinder
from monai_tbkd.transforms.plain_tensor import plain_tensor, with_meta_of

LUNG_CROP = "lung_crop"
LUNG_FIELD = "lung_field"


class CropToLungs(Transform):
    """Crop an image to the box of its lungs with a margin, at a fixed size, so that positions in all crops correspond.

    Side letters, text and collimation edges are mostly cropped away. On TBX11K's training images a blind location prior
    gains 0.04 union-mask mIoU by it.

    Args:
        size: (height, width) of the crop in pixels. Proportions are not kept.
        margin: on each side, as a fraction of the crop.
        lung_field: for :class:`LungBoxFinder`.
        box_of_field: for :class:`LungBoxFinder`.

    Raises:
        ValueError: a side below 1, or a margin that leaves nothing.
    """

    def __init__(
        self,
        size: Sequence[int],
        margin: float = 0.07,
        lung_field: Callable[[torch.Tensor], torch.Tensor] | None = None,
        box_of_field: bool = True,
    ) -> None:
        self.size = (int(size[0]), int(size[1]))
        if min(self.size) < 1 or not 0 <= margin < 0.5:
            raise ValueError(f"size is {tuple(size)} and margin {margin}; expected at least 1, and 0 to below 0.5.")
        self.margin = float(margin)
        self.finder = LungBoxFinder(lung_field, box_of_field)

    def __call__(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Crop an image ``(1, H, W)`` of gray values.

        Returns:
            The crop ``(1, height, width)`` in the image's type; its position, ``[xmin, ymin, xmax, ymax]`` in fractions
            of the image's width and height, float32, which may reach beyond the image, where its edge is repeated; and
            the lung field on the crop, ``(1, height / 4, width / 4)`` of 0-1. Without a lung-field network the last is
            two ellipses, the same in every crop.
        """
        plain = plain_tensor(image)
        box, lungs = self.finder.look(plain)
        position = self.position(box)
        cut = resample(plain[None].float(), position, self.size)[0]
        if not plain.is_floating_point():
            cut = cut.round().to(plain.dtype)
        small = (max(self.size[0] // 4, 1), max(self.size[1] // 4, 1))
        field = lung_ellipses(small, self.margin) if lungs is None else resample(lungs[None], position, small)[0]
        return cut, torch.from_numpy(position.astype(np.float32)), field

    def position(self, lungs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Position of the crop around a box of lungs, both ``[xmin, ymin, xmax, ymax]`` in fractions of the image."""
        middle, half = (lungs[2:] + lungs[:2]) / 2, (lungs[2:] - lungs[:2]) / 2 / (1 - 2 * self.margin)
        return np.concatenate([middle - half, middle + half])


class CropToLungsd(MapTransform):
    """Dictionary form of :class:`CropToLungs`.

    Writes the crop's position at ``lung_crop`` and, if ``field_key`` is not None, the lung field there, uint8 of 0-255.
    """

    def __init__(
        self,
        size: Sequence[int],
        lung_field: Callable[[torch.Tensor], torch.Tensor] | None = None,
        keys: KeysCollection = "image",
        field_key: str | None = None,
        box_of_field: bool = True,
    ) -> None:
        super().__init__(keys)
        self.crop = CropToLungs(size, lung_field=lung_field, box_of_field=box_of_field)
        self.position_key, self.field_key = LUNG_CROP, field_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            cut, d[self.position_key], field = self.crop(d[key])
            if self.field_key is not None:
                d[self.field_key] = (255 * field).round().to(torch.uint8)
            d[key] = with_meta_of(d[key], cut)
        return d


class MapToWholeImaged(MapTransform):
    """Bring a map of a crop back to the whole image; beyond the crop it is 0.

    Args:
        size: (height, width) of the grid that the image is to have; None keeps the map's.
        keys: map ``(1, h, w)`` of 0-1; replaced by ``(1, height, width)``.
        position_key: key of the crop's position, see :class:`CropToLungs`; an item without it stays as it is.
    """

    def __init__(
        self, size: Sequence[int] | None = None, keys: KeysCollection = "tb_map", position_key: str = LUNG_CROP
    ) -> None:
        super().__init__(keys)
        self.size, self.position_key = None if size is None else (int(size[0]), int(size[1])), position_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if self.position_key in d:
            for key in self.key_iterator(d):
                d[key] = self._whole(d[key], d[self.position_key])
        return d

    def _whole(self, tb_map: torch.Tensor, position: Sequence[float] | torch.Tensor) -> torch.Tensor:
        x0, y0, x1, y1 = (float(v) for v in position)
        height, width = self.size or tb_map.shape[-2:]
        if (x0, y0, x1, y1) == (0, 0, 1, 1) and tb_map.shape[-2:] == (height, width):
            return tb_map
        if x1 <= x0 or y1 <= y0:  # of an image that was refused
            return torch.zeros((1, height, width))
        rows = (torch.arange(height, dtype=torch.float64) + 0.5) / height
        columns = (torch.arange(width, dtype=torch.float64) + 0.5) / width
        v, u = (rows - y0) / (y1 - y0), (columns - x0) / (x1 - x0)
        grid = torch.stack(torch.meshgrid(u, v, indexing="xy"), dim=-1)[None].float() * 2 - 1
        plain = plain_tensor(tb_map)[None].float().cpu()
        moved = F.grid_sample(plain, grid, padding_mode="border", align_corners=False)[0]
        inside = ((v >= 0) & (v <= 1))[:, None] & ((u >= 0) & (u <= 1))[None]
        return torch.where(inside, moved, torch.zeros(()))


def resample(images: torch.Tensor, position: NDArray[np.float64], size: tuple[int, int]) -> torch.Tensor:
    """Read images or maps ``(B, C, H, W)`` at a position in fractions of the image, as ``(B, C, *size)``.

    Edges are repeated.
    """
    x0, y0, x1, y1 = (float(v) for v in position)
    theta = torch.tensor([[x1 - x0, 0.0, x0 + x1 - 1.0], [0.0, y1 - y0, y0 + y1 - 1.0]])
    grid = F.affine_grid(theta[None].expand(len(images), -1, -1), [len(images), 1, *size], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def lung_ellipses(size: tuple[int, int], margin: float) -> torch.Tensor:
    """Two upright ellipses at the lungs of a crop with this margin, ``(1, *size)`` of 0 and 1."""
    rows = ((torch.arange(size[0]) + 0.5) / size[0] - margin) / (1 - 2 * margin)
    columns = ((torch.arange(size[1]) + 0.5) / size[1] - margin) / (1 - 2 * margin)
    v = ((rows - 0.5) / 0.53)[:, None] ** 2
    lungs = [v + ((columns - middle) / 0.23)[None] ** 2 < 1 for middle in (0.23, 0.77)]
    return (lungs[0] | lungs[1]).float()[None]
