"""Random changes of an image that stays one plain channel of 8 bits.

MONAI's own transforms work in 32-bit floats and note each change on the image, which costs more than the change itself.
These draw the same random numbers, so that they change an image as MONAI's do under the same seed, up to the rounding
to 8 bits (``benchmarks/reading.py``).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import (
    MapTransform,
    RandAdjustContrastd,
    RandAffined,
    Randomizable,
    RandomizableTrait,
    RandomizableTransform,
)
from monai.utils import ensure_tuple_size
from numpy.typing import NDArray
from torch.nn import functional as F

from monai_tbkd.data.lists.pasted_copies import OWN
from monai_tbkd.transforms.lung_crop import LUNG_FIELD
from monai_tbkd.transforms.plain_tensor import plain_tensor


class PlainImaged(MapTransform, RandomizableTrait):
    """Remove MONAI's metadata; the image is not copied, so no step may write into it.

    Marked as random, so that MONAI's ``CacheDataset`` keeps the image with its metadata.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, **{key: plain_tensor(data[key]) for key in self.key_iterator(dict(data))}}


class RandMirrorImaged(RandomizableTransform, MapTransform):
    """Mirror images ``(1, H, W)``, with the lung field and labels of halves; draws as ``RandFlipd``."""

    def __init__(self, keys: KeysCollection = "image", prob: float = 0.5) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        self.randomize(None)
        for key in self.key_iterator(d):
            d[key] = self.mirrored(plain_tensor(d[key])) if self._do_transform else plain_tensor(d[key])
        return {**d, **mirrored_beside(d)} if self._do_transform else d

    def mirrored(self, image: torch.Tensor) -> torch.Tensor:
        """The mirror image of an image ``(1, H, W)``."""
        return image.flip(-1)


class _DrawnByMonai(Randomizable, MapTransform):
    """Changes an image as a MONAI transform has drawn, which is at ``drawn``."""

    drawn: Any

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> _DrawnByMonai:
        """As MONAI's, of the transform that draws."""
        self.drawn.set_random_state(seed, state)
        return self


class RandAffineImaged(_DrawnByMonai):
    """Rotate, shift and zoom images ``(1, H, W)`` uint8 with their lung field, bilinear; draws as ``RandAffined``.

    Ranges are as there: radians, fractions (a single number is for rows alone), and pixels of rows and columns.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        prob: float = 0.1,
        rotate_range: Any = None,
        scale_range: Any = None,
        translate_range: Any = None,
    ) -> None:
        MapTransform.__init__(self, keys)
        ranges = {"rotate_range": rotate_range, "scale_range": scale_range, "translate_range": translate_range}
        self.drawn = RandAffined(self.keys, prob=prob, **ranges)

    def randomize(self, data: Any | None = None) -> None:
        """Draw whether and how the next image is moved."""
        self.drawn.randomize(data)
        self.drawn.rand_affine.randomize()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        self.randomize()
        if not self.drawn._do_transform:
            return d
        matrix = self._matrix()
        for key in self.key_iterator(d):
            d[key] = moved(plain_tensor(d[key]), matrix)
            if LUNG_FIELD in d and key == self.keys[0]:  # of fewer pixels
                less = d[LUNG_FIELD].shape[-1] / d[key].shape[-1]
                d[LUNG_FIELD] = moved(d[LUNG_FIELD], matrix * [1, 1, less])
        return d

    def _matrix(self) -> NDArray[np.float64]:
        # AffineGrid's, rotation @ translation @ scale, without its work on grids
        grid = self.drawn.rand_affine.rand_affine_grid
        grid.randomize()  # RandAffined draws twice, and takes the second
        angle = (grid.rotate_params or [0.0])[0]
        shift = np.array(ensure_tuple_size(grid.translate_params or (), 2, 0.0))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        scale = np.array(ensure_tuple_size(grid.scale_params or (), 2, 1.0))
        return np.column_stack([turn * scale, turn @ shift])


class RandGammaImaged(_DrawnByMonai):
    """Change the contrast of images ``(1, H, W)`` uint8 by a gamma curve; draws as ``RandAdjustContrastd``.

    ``gamma`` is the range of the exponent.
    """

    def __init__(
        self, keys: KeysCollection = "image", prob: float = 0.1, gamma: tuple[float, float] = (0.5, 4.5)
    ) -> None:
        MapTransform.__init__(self, keys)
        self.drawn = RandAdjustContrastd(self.keys, prob=prob, gamma=gamma)

    def randomize(self, data: Any | None = None) -> None:
        """Draw whether and how the next image is changed."""
        self.drawn.randomize(data)
        if self.drawn._do_transform:
            self.drawn.adjuster.randomize(None)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        self.randomize()
        for key in self.key_iterator(d) if self.drawn._do_transform else ():
            d[key] = with_gamma(plain_tensor(d[key]), float(self.drawn.adjuster.gamma_value))
        return d


def moved(image: torch.Tensor, matrix: NDArray[np.float64]) -> torch.Tensor:
    """Apply an affine map to an image ``(1, H, W)`` uint8, bilinear, with zeros beyond it.

    The matrix is ``(2, 3)``, from (row, column, 1) of the result to (row, column) of the image, in pixels from the
    center.
    """
    height, width = image.shape[-2:]
    # x before y, in halves of the image
    by_row, by_column, start = (matrix[::-1] * [[2 / width], [2 / height]]).T
    rows = np.outer(np.arange(height) - (height - 1) / 2, by_row) + start
    columns = np.outer(np.arange(width) - (width - 1) / 2, by_column)
    # as complex numbers both coordinates are added at once, in a fraction of the time
    x_and_y = [torch.view_as_complex(torch.from_numpy(each.astype(np.float32))) for each in (rows, columns)]
    grid = torch.view_as_real(x_and_y[0][:, None] + x_and_y[1])[None]  # (1, H, W, 2)
    out = F.grid_sample(image[None].float(), grid, mode="bilinear", align_corners=False)
    return out[0].round_().to(torch.uint8)


def with_gamma(image: torch.Tensor, gamma: float) -> torch.Tensor:
    """Apply a gamma curve between the extremes of an image ``(1, H, W)`` uint8; below 1 brightens.

    Example:
        >>> with_gamma(torch.tensor([[[0, 50, 200]]], dtype=torch.uint8), 0.5)
        tensor([[[  0, 100, 200]]], dtype=torch.uint8)
    """
    low, high = int(image.min()), int(image.max())
    fraction = np.clip((np.arange(256) - low) / max(high - low, 1), 0, 1)
    table = np.rint(fraction**gamma * (high - low) + low).astype(np.uint8)
    # bytes.translate is twice as fast as indexing an array
    changed = bytearray(image.contiguous().numpy()).translate(table.tobytes())
    return torch.frombuffer(changed, dtype=torch.uint8).reshape(image.shape)


def mirrored_beside(data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
    """What is mirrored with an image: its lung field, and the label of its left and right half."""
    found: dict[Hashable, Any] = {key: data[key].flip(-1) for key in (LUNG_FIELD, OWN) if key in data}
    if getattr(data.get("label"), "ndim", 0) == 1:
        found["label"] = data["label"][::-1].copy()
    return found
