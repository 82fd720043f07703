"""From an 8-bit image to the input of a network."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTrait, Transform

from monai_tbkd.networks.gray_input import IMAGENET_MEAN, IMAGENET_STD
from monai_tbkd.transforms.plain_tensor import plain_tensor, with_meta_of


class NormalizeImage(Transform):
    """Scale gray images of 0-255 to 0-1, repeat them to the network's channels and standardize each.

    ``(1, H, W)`` to ``(C, H, W)`` in float32, or a batch of them, ``(B, 1, H, W)``.

    Args:
        mean: a mean for each channel, in units of 0-1; ImageNet's by default.
        std: a standard deviation for each channel.
    """

    def __init__(self, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> None:
        if len(mean) != len(std):
            raise ValueError(f"mean has {len(mean)} values and std {len(std)}; give one of each a channel.")
        self.mean, self.std = tuple(mean), tuple(std)

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        if image.ndim not in (3, 4) or image.shape[-3] != 1:
            raise ValueError(
                f"The image is {tuple(image.shape)}; expected one gray channel, (1, H, W), or a batch of such images."
            )
        plain = plain_tensor(image)
        mean, std = (torch.tensor(each, device=plain.device).reshape(-1, 1, 1) for each in (self.mean, self.std))
        return with_meta_of(image, (plain.float() / 255.0 - mean).div_(std))


class NormalizeImaged(MapTransform, RandomizableTrait):
    """Dictionary form of :class:`NormalizeImage`.

    It is marked as random, though it is not, so that MONAI's ``CacheDataset`` keeps the image before it, which takes a
    twelfth of the memory.
    """

    def __init__(self, keys: KeysCollection = "image") -> None:
        super().__init__(keys)
        self.normalize = NormalizeImage()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, **{key: self.normalize(data[key]) for key in self.key_iterator(dict(data))}}
