"""From an 8-bit film to the input of a network."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, RandomizableTrait, Transform

from monai_tbkd.networks.gray_input import IMAGENET_MEAN, IMAGENET_STD


class NormalizeFilm(Transform):
    """Scale a gray film of 0-255 to 0-1, repeat it to the network's channels and standardize each.

    Args:
        mean: a mean for each channel, in units of 0-1; ImageNet's by default.
        std: a standard deviation for each channel.

    Raises:
        ValueError: mean and std of different length, or a film of more than one channel.

    Example:
        >>> NormalizeFilm(mean=(0.5,), std=(0.5,))(torch.full((1, 2, 2), 255.0)).max()
        tensor(1.)
    """

    def __init__(self, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> None:
        if len(mean) != len(std):
            raise ValueError(f"mean has {len(mean)} values and std {len(std)}; give one of each a channel.")
        self.mean, self.std = tuple(mean), tuple(std)

    def __call__(self, film: torch.Tensor) -> torch.Tensor:
        """``(1, H, W)`` of 0-255 to ``(C, H, W)`` in float32, or a batch of them, ``(B, 1, H, W)``."""
        if film.ndim not in (3, 4) or film.shape[-3] != 1:
            raise ValueError(
                f"The film is {tuple(film.shape)}; expected one gray channel, (1, H, W), or a batch of such films."
            )
        plain = film.as_tensor() if isinstance(film, MetaTensor) else film
        scaled = plain.float() / 255.0
        mean, std = (torch.tensor(each, device=plain.device).reshape(-1, 1, 1) for each in (self.mean, self.std))
        out = (scaled - mean).div_(std)
        return MetaTensor(out, meta=film.meta) if isinstance(film, MetaTensor) else out


class NormalizeFilmd(MapTransform, RandomizableTrait):
    """Dictionary form of :class:`NormalizeFilm`.

    It is marked as random, though it is not, so that MONAI's ``CacheDataset`` keeps what stands before it: a film in
    8 bits and one channel, a twelfth of the memory of its normalized form.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.normalize = NormalizeFilm(mean, std)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.normalize(d[key])
        return d
