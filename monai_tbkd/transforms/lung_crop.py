"""A film cut to its lungs, and maps of the cut brought back to the film."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from numpy.typing import NDArray

from monai_tbkd.transforms.lung_box import LungBoxFinder

LUNG_CROP = "lung_crop"
LUNG_FIELD = "lung_field"


class CropToLungs(Transform):
    """Cut a film to the box of its lungs with a margin, at a fixed size, so that lungs lie alike in every film.

    A side letter, a text or a collimation edge is mostly cut away with the rest, and a place of the cut is the same
    place of the lungs in every film: on TBX11K's train films a blind location prior gains 0.04 union-mask mIoU by it.

    Args:
        size: (height, width) of the cut in pixels. Proportions are not kept.
        margin: on each side, as a share of the cut.
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

    def __call__(self, film: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Cut a film.

        Args:
            film: ``(1, H, W)`` of gray values.

        Returns:
            The cut ``(1, height, width)`` in the film's type; its place, ``[xmin, ymin, xmax, ymax]`` in shares of the
            film's width and height, float32, which may reach beyond the film, where the film's edge is repeated; and
            the lung field on the cut, ``(1, height / 4, width / 4)`` of 0-1. Without a lung-field network the last is
            two ellipses, the same in every cut.
        """
        plain = film.as_tensor() if isinstance(film, MetaTensor) else film
        box, lungs = self.finder.look(plain)
        place = self.place(box)
        cut = resample(plain[None].float(), place, self.size)[0]
        if not plain.is_floating_point():
            cut = cut.round().to(plain.dtype)
        small = (max(self.size[0] // 4, 1), max(self.size[1] // 4, 1))
        field = lung_ellipses(small, self.margin) if lungs is None else resample(lungs[None], place, small)[0]
        return cut, torch.from_numpy(place.astype(np.float32)), field

    def place(self, lungs: NDArray[np.float64]) -> NDArray[np.float64]:
        """The cut around a box of lungs, both ``[xmin, ymin, xmax, ymax]`` in shares of the film."""
        middle, half = (lungs[2:] + lungs[:2]) / 2, (lungs[2:] - lungs[:2]) / 2 / (1 - 2 * self.margin)
        return np.concatenate([middle - half, middle + half])


class CropToLungsd(MapTransform):
    """Dictionary form of :class:`CropToLungs`.

    Writes the place of the cut at ``place_key`` and, if that is not None, the lung field on it at ``field_key``, as
    uint8 of 0-255.
    """

    def __init__(
        self,
        size: Sequence[int],
        margin: float = 0.07,
        lung_field: Callable[[torch.Tensor], torch.Tensor] | None = None,
        keys: KeysCollection = "image",
        place_key: str = LUNG_CROP,
        field_key: str | None = None,
        allow_missing_keys: bool = False,
        box_of_field: bool = True,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.crop = CropToLungs(size, margin, lung_field, box_of_field)
        self.place_key, self.field_key = place_key, field_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            cut, d[self.place_key], field = self.crop(d[key])
            if self.field_key is not None:
                d[self.field_key] = (255 * field).round().to(torch.uint8)
            d[key] = MetaTensor(cut, meta=d[key].meta) if isinstance(d[key], MetaTensor) else cut
        return d


class MapToWholeFilm(Transform):
    """Bring a map of a cut back to the whole film; beyond the cut there is nothing.

    Args:
        size: (height, width) of the grid that the film is to have; None keeps the map's.

    Example:
        >>> MapToWholeFilm((4, 4))(torch.ones(1, 2, 2), [0.25, 0.25, 0.75, 0.75])[0, 1]
        tensor([0., 1., 1., 0.])
    """

    def __init__(self, size: Sequence[int] | None = None) -> None:
        self.size = None if size is None else (int(size[0]), int(size[1]))

    def __call__(self, tb_map: torch.Tensor, place: Sequence[float] | torch.Tensor) -> torch.Tensor:
        """Map ``(1, h, w)`` of 0-1 of the cut at ``place`` (see :class:`CropToLungs`) to ``(1, height, width)``."""
        x0, y0, x1, y1 = (float(v) for v in place)
        height, width = self.size or tb_map.shape[-2:]
        if (x0, y0, x1, y1) == (0, 0, 1, 1) and tb_map.shape[-2:] == (height, width):
            return tb_map
        if x1 <= x0 or y1 <= y0:  # of a film that was refused
            return torch.zeros((1, height, width))
        rows = (torch.arange(height, dtype=torch.float64) + 0.5) / height
        columns = (torch.arange(width, dtype=torch.float64) + 0.5) / width
        v, u = (rows - y0) / (y1 - y0), (columns - x0) / (x1 - x0)
        grid = torch.stack(torch.meshgrid(u, v, indexing="xy"), dim=-1)[None].float() * 2 - 1
        plain = tb_map.as_tensor() if isinstance(tb_map, MetaTensor) else tb_map
        moved = F.grid_sample(plain[None].float().cpu(), grid, padding_mode="border", align_corners=False)[0]
        inside = ((v >= 0) & (v <= 1))[:, None] & ((u >= 0) & (u <= 1))[None]
        return torch.where(inside, moved, torch.zeros(()))


class MapToWholeFilmd(MapTransform):
    """Dictionary form of :class:`MapToWholeFilm`; a film without a place was not cut and is left as it is."""

    def __init__(
        self,
        size: Sequence[int] | None = None,
        keys: KeysCollection = "tb_map",
        place_key: str = LUNG_CROP,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.to_film, self.place_key = MapToWholeFilm(size), place_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if self.place_key in d:
            for key in self.key_iterator(d):
                d[key] = self.to_film(d[key], d[self.place_key])
        return d


def resample(films: torch.Tensor, place: NDArray[np.float64], size: tuple[int, int]) -> torch.Tensor:
    """Films or maps ``(B, C, H, W)`` at ``place`` (shares of the film) as ``(B, C, *size)``; edges are repeated."""
    x0, y0, x1, y1 = (float(v) for v in place)
    theta = torch.tensor([[x1 - x0, 0.0, x0 + x1 - 1.0], [0.0, y1 - y0, y0 + y1 - 1.0]])
    grid = F.affine_grid(theta[None].expand(len(films), -1, -1), [len(films), 1, *size], align_corners=False)
    return F.grid_sample(films, grid, padding_mode="border", align_corners=False)


def lung_ellipses(size: tuple[int, int], margin: float) -> torch.Tensor:
    """Two upright ellipses where the lungs are in a cut, ``(1, *size)`` of 0 and 1: about what they fill of their box.

    Args:
        size: (height, width) of the grid.
        margin: of the cut.
    """
    rows = ((torch.arange(size[0]) + 0.5) / size[0] - margin) / (1 - 2 * margin)
    columns = ((torch.arange(size[1]) + 0.5) / size[1] - margin) / (1 - 2 * margin)
    v = ((rows - 0.5) / 0.53)[:, None] ** 2
    lungs = [v + ((columns - middle) / 0.23)[None] ** 2 < 1 for middle in (0.23, 0.77)]
    return (lungs[0] | lungs[1]).float()[None]
