"""Find the lungs of an image, crop it to them, and bring maps of the crop back to the image."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.transforms import MapTransform
from numpy.typing import NDArray
from scipy import ndimage

from monai_tbkd.networks.lung_field import flat_histogram
from monai_tbkd.transforms.plain_tensor import plain_tensor, with_meta_of

LUNG_CROP = "lung_crop"
LUNG_FIELD = "lung_field"
MARGIN = 0.07
"""Of a crop around the lungs, on each side, as a fraction of the crop."""
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


class CropToLungsd(MapTransform):
    """Crop an image ``(1, H, W)`` to the box of its lungs, at a fixed size, so that positions in all crops correspond.

    Side letters, text and collimation edges are mostly cropped away. On TBX11K's training images a blind location prior
    gains 0.04 union-mask mIoU by it. The crop keeps the image's type. Its position is written at ``lung_crop``:
    ``[xmin, ymin, xmax, ymax]`` in fractions of the image's width and height, float32, which may reach beyond the
    image, where its edge is repeated.

    Args:
        size: (height, width) of the crop in pixels. Proportions are not kept.
        lung_field: for :class:`LungBoxFinder`.
        keys: of the image.
        field_key: gets the lung field on the crop, ``(1, height / 4, width / 4)`` uint8 of 0-255: without a lung-field
            network two ellipses, the same in every crop. None leaves it out.
        box_of_field: for :class:`LungBoxFinder`.
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
        self.size, self.field_key = (int(size[0]), int(size[1])), field_key
        if min(self.size) < 1:
            raise ValueError(f"size is {tuple(size)}; expected at least 1.")
        self.finder = LungBoxFinder(lung_field, box_of_field)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            plain = plain_tensor(d[key])
            box, lungs = self.finder.look(plain)
            position = around_lungs(box)
            crop = resample(plain[None].float(), position, self.size)[0]
            d[key] = with_meta_of(d[key], crop if plain.is_floating_point() else crop.round().to(plain.dtype))
            d[LUNG_CROP] = torch.from_numpy(position.astype(np.float32))
            if self.field_key is not None:
                small = (max(self.size[0] // 4, 1), max(self.size[1] // 4, 1))
                field = lung_ellipses(small) if lungs is None else resample(lungs[None], position, small)[0]
                d[self.field_key] = (255 * field).round().to(torch.uint8)
        return d


def around_lungs(lungs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add the margin to a box of lungs; both ``[xmin, ymin, xmax, ymax]`` in fractions of the image."""
    middle, half = (lungs[2:] + lungs[:2]) / 2, (lungs[2:] - lungs[:2]) / 2 / (1 - 2 * MARGIN)
    return np.concatenate([middle - half, middle + half])


class MapToWholeImaged(MapTransform):
    """Bring a map of a crop back to the whole image; beyond the crop it is 0.

    Args:
        size: (height, width) of the grid that the image is to have; None keeps the map's.
        keys: map ``(1, h, w)`` of 0-1; replaced by ``(1, height, width)``.
        position_key: key of the crop's position, see :class:`CropToLungsd`; an item without it stays as it is.
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


def lung_ellipses(size: tuple[int, int]) -> torch.Tensor:
    """Two upright ellipses at the lungs of a crop, ``(1, *size)`` of 0 and 1."""
    rows, columns = (((torch.arange(n) + 0.5) / n - MARGIN) / (1 - 2 * MARGIN) for n in size)
    v = ((rows - 0.5) / 0.53)[:, None] ** 2
    lungs = [v + ((columns - middle) / 0.23)[None] ** 2 < 1 for middle in (0.23, 0.77)]
    return (lungs[0] | lungs[1]).float()[None]
