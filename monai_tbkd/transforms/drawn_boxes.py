"""Masks of drawn boxes on the network's input and on the whole image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from numpy.typing import NDArray

from monai_tbkd.transforms.box_mask import film_box_mask
from monai_tbkd.transforms.cut_border import INSIDE
from monai_tbkd.transforms.lung_crop import LUNG_CROP, resample


class DrawnBoxesd(MapTransform):
    """Replace an item's ``boxes`` by masks that can be moved with the image.

    It comes after the image has been brought to the network's size. Boxes ``[xmin, ymin, xmax, ymax]`` are in pixels of
    the upright image, or None where nobody has drawn any. Writes ``box_mask`` ``(1, H, W)`` uint8 of 0 and 255 on the
    network's input, ``true_mask`` ``(1, grid, grid)`` bool on the whole upright image, and ``boxes_known`` (1.0, or 0.0
    where ``boxes`` is None).

    Args:
        grid: cells along each side of ``true_mask``.
        keys: the image, ``(1, H, W)`` with MONAI's metadata.
    """

    def __init__(self, grid: int, keys: KeysCollection = "image") -> None:
        super().__init__(keys)
        self.grid = int(grid)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        boxes = d.pop("boxes")
        for key in self.key_iterator(d):
            film = d[key]
            meta = film.meta if isinstance(film, MetaTensor) else {}
            size = [int(v) for v in meta.get("original_size", film.shape[-2:])]
            item = {"boxes": boxes or [], "size": size}
            d["box_mask"] = _on_film(item, (int(film.shape[-2]), int(film.shape[-1])), _seen(d))
            d["true_mask"] = torch.from_numpy(film_box_mask(item, self.grid))[None]
            d["boxes_known"] = float(boxes is not None)
        return d


def _seen(item: Mapping[Hashable, Any]) -> NDArray[np.float64]:
    """Position of the crop to the lungs, which lies inside of what plain borders leave, on the whole image."""
    inside, lungs = (np.asarray(item.get(key, (0, 0, 1, 1)), dtype=np.float64) for key in (INSIDE, LUNG_CROP))
    return np.tile(inside[:2], 2) + lungs * np.tile(inside[2:] - inside[:2], 2)


def _on_film(item: Mapping[Any, Any], size: tuple[int, int], place: NDArray[np.float64]) -> torch.Tensor:
    fine = 2 * max(size)  # so fine that a cut of it has edges as sharp as a film of this size can have
    mask = torch.from_numpy(film_box_mask(item, fine))[None, None].float()
    return (resample(mask, place, size)[0] * 255).round().to(torch.uint8)
