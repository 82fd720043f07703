"""The box around both lungs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage

from monai_tbkd.networks.lung_field import flat_histogram

THUMBNAIL = 32
"""Cells along each side of the picture that the plain finder looks at."""
_SMALLEST = (0.40, 0.35)
_LUNG_FRACTION = 0.12
_RANGE = ((0.0, 0.30), (0.0, 0.35), (0.70, 1.0), (0.55, 1.0))


class LungBoxFinder:
    """Find the box around both lungs, in fractions of the image's width and height.

    With a lung-field network it is the box of the network's two largest regions, where these look like two lungs.
    Otherwise it is a linear function of a thumbnail with a flat histogram, fitted on phantoms alone
    (``benchmarks/lung_box_fit.py``, which also measures it on real images).

    Args:
        lung_field: from images ``(B, 1, H, W)`` to probabilities of lung of the same shape, or None.
        box_of_field: False takes the linear function's box in any case, for a model that runs without the network.
    """

    def __init__(
        self, lung_field: Callable[[torch.Tensor], torch.Tensor] | None = None, box_of_field: bool = True
    ) -> None:
        self.lung_field, self.box_of_field = lung_field, box_of_field
        with np.load(BytesIO(files("monai_tbkd.transforms").joinpath("lung_box.npz").read_bytes())) as fitted:
            self.weight, self.bias = fitted["weight"].astype(np.float64), fitted["bias"].astype(np.float64)

    def __call__(self, image: torch.Tensor) -> NDArray[np.float64]:
        """Image ``(1, H, W)`` of gray values to ``[xmin, ymin, xmax, ymax]``, fractions of width and height, 0-1."""
        return self.look(image)[0]

    def look(self, image: torch.Tensor) -> tuple[NDArray[np.float64], torch.Tensor | None]:
        """The box, and the lung field ``(1, H, W)`` of 0-1, or None without a network."""
        if self.lung_field is None:
            return self.plain(image), None
        lungs = self.lung_field(image[None].float())[0]
        box = box_of_lungs(lungs[0].cpu().numpy()) if self.box_of_field else None
        return (self.plain(image) if box is None else box), lungs

    def plain(self, image: torch.Tensor) -> NDArray[np.float64]:
        """The linear function's box, limited to positions that lungs of upright images have."""
        found = thumbnail(image).ravel() @ self.weight + self.bias
        return np.array([np.clip(value, *limits) for value, limits in zip(found, _RANGE, strict=True)])


def box_of_lungs(lungs: NDArray[Any]) -> NDArray[np.float64] | None:
    """Box of the two largest regions of a lung field ``(H, W)`` of 0-1; None if they don't look like two lungs."""
    mask = lungs > 0.5
    regions, number = ndimage.label(mask)
    if number == 0:
        return None
    sizes = np.bincount(regions.ravel())[1:]
    kept = [i + 1 for i in np.argsort(-sizes, kind="stable")[:2] if sizes[i] > 0.01 * mask.size]
    mask = np.isin(regions, kept)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if mask.mean() < _LUNG_FRACTION:
        return None
    height, width = mask.shape
    box = np.array([columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height])
    return box if box[2] - box[0] > _SMALLEST[0] and box[3] - box[1] > _SMALLEST[1] else None


def thumbnail(image: torch.Tensor) -> NDArray[np.float64]:
    """Reduce an image ``(1, H, W)`` to 32 x 32 cells with the fraction of darker pixels in each."""
    side = 4 * THUMBNAIL
    small = F.interpolate(
        image[None].float(), size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )[0, 0].double().cpu().numpy()  # fmt: skip
    return np.asarray(flat_histogram(small).reshape(THUMBNAIL, 4, THUMBNAIL, 4).mean(axis=(1, 3)))
