"""Paste regions of a normal image into an image."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.networks.layers import GaussianFilter
from monai.transforms import Transform

from monai_tbkd.data.lists.pasted_copies import OWN, PASTE
from monai_tbkd.transforms.lung_crop import LUNG_FIELD
from monai_tbkd.transforms.plain_tensor import with_meta_of

_EDGE = 1 / 64  # standard deviation of the blended edge, as a fraction of the image
_LEAST = 0.12  # fraction of the image that each of the two keeps


class PasteRegionsd(Transform):
    """Read an image and, where its item has a ``paste``, paste regions of a normal image into it.

    The images are crops of the lungs, so that positions correspond. Regions are the left or the right half, or parts of
    both above or below a random row; edges are blended, and the lung field alike.

    Args:
        preprocessing: from ``{"image": path}`` to the 8-bit crop at ``image``.

    Returns of a call:
        what preprocessing returns; with a ``paste`` (:func:`~monai_tbkd.data.with_pasted_copies`) also ``own``, uint8
        of 0-255 of a quarter of the crop's size: how much of each pixel is of the image itself.
    """

    def __init__(self, preprocessing: Callable[[Any], Any]) -> None:
        self.preprocessing = preprocessing

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        paste = d.pop(PASTE, None)
        d = self.preprocessing(d)
        if paste is None:
            return d
        normal = self.preprocessing({"image": paste["image"]})
        height, width = d["image"].shape[-2:]
        own = random_regions(int(paste["seed"]), (height, width))
        own = 1 - own if paste["inverted"] else own
        image, other = (torch.as_tensor(each["image"]).float() for each in (d, normal))
        mixed = (own * image + (1 - own) * other).round().to(torch.uint8)
        d["image"] = with_meta_of(d["image"], mixed)
        small = own[:, ::4, ::4]
        d[OWN] = (255 * small).round().to(torch.uint8)
        if LUNG_FIELD in d:
            d[LUNG_FIELD] = (small * d[LUNG_FIELD] + (1 - small) * normal[LUNG_FIELD]).round().to(torch.uint8)
        return d


def random_regions(seed: int, size: tuple[int, int]) -> torch.Tensor:
    """Draw regions ``(1, *size)`` of 0-1 with blended edges, which take about half of an image.

    The same for the same seed.
    """
    g = np.random.default_rng(seed)
    height, width = size
    while True:
        middle = width // 2 + int(g.integers(-(width // 32), width // 32 + 1))
        mask = torch.zeros(1, 1, height, width)
        if g.random() < 0.5:
            mask[..., :middle] = 1
        else:
            for columns in (slice(0, middle), slice(middle, width)):
                row, kept = int(g.integers(height // 4, 3 * height // 4)), int(g.integers(4))
                if kept & 1:
                    mask[..., :row, columns] = 1
                if kept & 2:
                    mask[..., row:, columns] = 1
        if _LEAST < mask.mean() < 1 - _LEAST:
            break
    mask = 1 - mask if g.random() < 0.5 else mask
    smooth = GaussianFilter(2, max(width * _EDGE, 0.5))
    blended: torch.Tensor = smooth(mask) / smooth(torch.ones_like(mask))  # the filter takes zeros beyond the image
    return blended[0].clamp(0, 1)
