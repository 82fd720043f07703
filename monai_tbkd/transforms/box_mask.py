"""Masks of an image's true boxes, or of the outlines of its lesions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from numpy.typing import NDArray

from monai_tbkd.transforms.crop_border import INSIDE
from monai_tbkd.transforms.lung_crop import LUNG_CROP, resample


def box_masks(boxes: np.ndarray | torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """Rasterize the union of boxes ``(n, 4)`` on a grid of ``size``, (height, width), bool.

    A cell belongs to a box when its center does, and every box has at least one cell.

    Example:
        >>> box_masks(np.array([[1, 0, 3, 2]]), (2, 4)).astype(int)
        array([[0, 1, 1, 0],
               [0, 1, 1, 0]])
    """
    height, width = size
    mask = np.zeros(size, dtype=bool)
    for x0, y0, x1, y1 in np.asarray(boxes, dtype=float).reshape(-1, 4):
        left, top = min(int(np.ceil(x0 - 0.5)), width - 1), min(int(np.ceil(y0 - 0.5)), height - 1)
        right, bottom = max(int(np.ceil(x1 - 0.5)), left + 1), max(int(np.ceil(y1 - 0.5)), top + 1)
        mask[max(top, 0) : bottom, max(left, 0) : right] = True
    return mask


def polygon_masks(polygons: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Rasterize the union of polygons by the even-odd rule; every polygon has at least one cell.

    Corners are ``(n, 2)`` each, x and y on the grid of ``size``, (height, width), bool.
    """
    mask = np.zeros(size, dtype=bool)
    y, x = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    for corners in polygons:
        inside = np.zeros(size, dtype=bool)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            rows = np.flatnonzero((y0 > y) != (y1 > y))  # that the side crosses
            inside[rows] ^= x < (x0 + (y[rows] - y0) * (x1 - x0) / (y1 - y0))[:, None]
        if not inside.any():
            column, row = np.clip(np.mean(corners, axis=0).astype(int), 0, np.array(size)[::-1] - 1)
            inside[row, column] = True
        mask |= inside
    return mask


def image_box_mask(item: Mapping[Any, Any], grid: int) -> np.ndarray:
    """Union mask of a datalist item's lesions on a square grid, ``(grid, grid)`` bool.

    The item has ``boxes`` in pixels and ``size`` [height, width]; where it has ``polygons``, the mask is theirs.
    """
    height, width = item["size"]
    if item.get("polygons"):
        scale = np.array([grid / width, grid / height])
        return polygon_masks([np.asarray(each, dtype=float) * scale for each in item["polygons"]], (grid, grid))
    boxes = np.asarray(item["boxes"] or [], dtype=float).reshape(-1, 4)
    return box_masks(boxes * np.array([grid / width, grid / height] * 2), (grid, grid))


class BoxMaskd(Transform):
    """Replace an item's ``boxes``, ``polygons`` and ``size``, which do not collate, by ``box_mask``.

    The mask is ``(1, grid, grid)`` uint8; empty where an image has no boxes or they are unknown.
    """

    def __init__(self, grid: int) -> None:
        self.grid = int(grid)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        d["box_mask"] = torch.from_numpy(image_box_mask(d, self.grid))[None].to(torch.uint8)
        for key in ("boxes", "size", "polygons"):
            d.pop(key, None)
        return d


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
            image = d[key]
            meta = image.meta if isinstance(image, MetaTensor) else {}
            size = [int(v) for v in meta.get("original_size", image.shape[-2:])]
            item = {"boxes": boxes or [], "size": size}
            d["box_mask"] = _on_network_input(item, (int(image.shape[-2]), int(image.shape[-1])), d)
            d["true_mask"] = torch.from_numpy(image_box_mask(item, self.grid))[None]
            d["boxes_known"] = float(boxes is not None)
        return d


def _on_network_input(
    item: Mapping[Any, Any], size: tuple[int, int], positions: Mapping[Hashable, Any]
) -> torch.Tensor:
    # the crop to the lungs lies inside of what plain borders leave
    inside, lungs = (np.asarray(positions.get(key, (0, 0, 1, 1)), dtype=np.float64) for key in (INSIDE, LUNG_CROP))
    crop: NDArray[np.float64] = np.tile(inside[:2], 2) + lungs * np.tile(inside[2:] - inside[:2], 2)
    fine = 2 * max(size)  # so fine that a crop of it has edges as sharp as an image of this size can have
    mask = torch.from_numpy(image_box_mask(item, fine))[None, None].float()
    return (resample(mask, crop, size)[0] * 255).round().to(torch.uint8)
