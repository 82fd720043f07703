"""Images made worse in ways that happen: noise, blur, wrong exposure, compression, rotation, covered areas."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.data import MetaTensor
from monai.transforms import (
    AdjustContrast,
    GaussianSmooth,
    RandCoarseDropout,
    RandGaussianNoise,
    Rotate,
    ScaleIntensityFixedMean,
    ShiftIntensity,
)
from PIL import Image

ROTATION = "rotation"
_HOLES = 6


def image_seed(*words: object) -> int:
    """Make a seed of 32 bits from an image's name and other words, the same on every machine."""
    text = "\n".join(map(str, words)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")


def _blur(image: torch.Tensor, level: float, seed: int) -> torch.Tensor:
    sigma = level * image.shape[-2]
    around = min(math.ceil(4 * sigma), min(image.shape[-2:]) - 1)
    # MONAI's blur takes what lies outside for black and would draw a dark frame
    mirrored = F.pad(image, (around,) * 4, mode="reflect")
    blurred = GaussianSmooth(sigma=sigma)(mirrored)
    return blurred[:, around : around + image.shape[-2], around : around + image.shape[-1]]


def _jpeg(image: torch.Tensor, level: float, seed: int) -> torch.Tensor:
    buffer = io.BytesIO()
    _picture(image).save(buffer, format="JPEG", quality=round(level))
    return _image(Image.open(buffer))


def _pixelation(image: torch.Tensor, level: float, seed: int) -> torch.Tensor:
    height, width = image.shape[-2:]
    small = (max(1, round(width * level)), max(1, round(height * level)))
    coarse = _picture(image).resize(small, Image.Resampling.BOX)
    return _image(coarse.resize((width, height), Image.Resampling.NEAREST))


def _occlusion(image: torch.Tensor, level: float, seed: int) -> torch.Tensor:
    side = [max(1, round(level * n)) for n in image.shape[-2:]]
    cover = RandCoarseDropout(holes=_HOLES, spatial_size=side, fill_value=0.0, prob=1.0)
    return cover.set_random_state(seed=seed)(image)


def _noise(image: torch.Tensor, level: float, seed: int) -> torch.Tensor:
    return RandGaussianNoise(prob=1.0, std=level, sample_std=False).set_random_state(seed=seed)(image)


_CORRUPT: dict[str, Callable[[torch.Tensor, float, int], torch.Tensor]] = {
    "noise": _noise,
    "blur": _blur,
    "contrast": lambda image, level, seed: ScaleIntensityFixedMean(factor=level - 1.0)(image),
    "brightness": lambda image, level, seed: ShiftIntensity(offset=direction(seed) * level)(image),
    "gamma": lambda image, level, seed: AdjustContrast(gamma=level if direction(seed) > 0 else 1.0 / level)(image),
    "jpeg": _jpeg,
    "pixelation": _pixelation,
    ROTATION: lambda image, level, seed: turn(image, direction(seed) * level),
    "occlusion": _occlusion,
}
CORRUPTIONS = tuple(_CORRUPT)

DEFINITIONS = {
    "noise": "Gaussian noise; the level is its standard deviation in gray levels of 255",
    "blur": "Gaussian blur; the level is its standard deviation as a fraction of the image's side",
    "contrast": "gray values drawn toward their mean; the level is the fraction of contrast that is left",
    "brightness": "gray values shifted, up or down by image; the level is in gray levels of 255",
    "gamma": "a power of the gray values, the level or its inverse by image",
    "jpeg": "JPEG compression; the level is Pillow's quality",
    "pixelation": "fewer pixels; the level is the fraction of them left along each side",
    ROTATION: "turned about the middle, to either side by image; the level is in degrees; maps are turned back",
    "occlusion": f"{_HOLES} black squares at random places; the level is their side as a fraction of the image's",
}


class CorruptImage:
    """Make an 8-bit image worse in one way.

    The same image is treated the same way each time; chance (which pixels get noise, which way the image is turned,
    where squares lie) comes from the image's name and the kind and is shared by all severities, so that a curve over
    severities shows the severity.

    Args:
        kind: one of `CORRUPTIONS`.
        level: how much, in the kind's own unit, see `DEFINITIONS`.
        seed: of the study.

    Raises:
        ValueError: a level that is not finite or not above 0.

    Example:
        >>> image = {"image": torch.full((1, 8, 8), 100, dtype=torch.uint8), "name": "a.png"}
        >>> CorruptImage("brightness", 10.0)(image)["image"].unique().item() in (90, 110)
        True
    """

    def __init__(self, kind: str, level: float, seed: int = 0) -> None:
        if not (math.isfinite(float(level)) and float(level) > 0):
            raise ValueError(f"The level of {kind} is {level}; expected a number above 0.")
        self.kind, self.level, self.seed = kind, float(level), seed

    def __call__(self, image: Mapping[str, Any]) -> dict[str, Any]:
        """Corrupt the ``image`` ``(1, H, W)`` uint8 of an item that has a ``name``.

        Raises:
            ValueError: not such an item.
        """
        seed = image_seed(self.seed, self.kind, image["name"])
        corrupted = _plain(_CORRUPT[self.kind](gray_image(image["image"]).float(), self.level, seed))
        return {**image, "image": corrupted.round().clamp(0, 255).to(torch.uint8)}

    def turn_back(self, maps: np.ndarray, names: list[str]) -> np.ndarray:
        """Return maps ``(N, h, w)`` of corrupted images in the geometry of the clean ones.

        True boxes stay upright rectangles this way, so that numbers of all severities are of the same truth. What was
        turned out of the image comes back as 0.
        """
        if self.kind != ROTATION:
            return maps
        angles = [-direction(image_seed(self.seed, self.kind, name)) * self.level for name in names]
        turned = [turn(torch.from_numpy(m)[None], angle)[0].numpy() for m, angle in zip(maps, angles, strict=True)]
        return np.stack(turned).clip(0.0, 1.0)


def gray_image(image: torch.Tensor) -> torch.Tensor:
    """Return an image as a plain tensor, checked.

    Raises:
        ValueError: not ``(1, H, W)`` uint8.
    """
    if image.ndim != 3 or image.shape[0] != 1 or image.dtype != torch.uint8:
        raise ValueError(
            f"The image is {tuple(image.shape)} of {image.dtype}; expected one gray channel of 8 bits, (1, H, W) "
            "uint8, as ImageTo8Bit gives it."
        )
    return _plain(image)


def direction(seed: int) -> float:
    """1 or -1: whether an image is made brighter or darker, turned left or right."""
    return 1.0 if np.random.default_rng(seed).random() < 0.5 else -1.0


def turn(picture: torch.Tensor, degrees: float) -> torch.Tensor:
    """``(1, H, W)`` float turned about its middle, bilinear, 0 where nothing was; the size stays."""
    return _plain(Rotate(angle=math.radians(degrees), mode="bilinear", padding_mode="zeros")(picture))


def _plain(image: Any) -> torch.Tensor:
    return image.as_tensor() if isinstance(image, MetaTensor) else torch.as_tensor(image)


def _picture(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image[0].numpy().astype(np.uint8))


def _image(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture.convert("L"), dtype=np.float32).copy())[None]
