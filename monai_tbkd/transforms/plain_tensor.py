"""Tensors without and with MONAI's metadata, and the dictionary form of transforms of one tensor."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform


def plain_tensor(image: torch.Tensor) -> torch.Tensor:
    """An image without MONAI's metadata; not copied."""
    return image.as_tensor() if isinstance(image, MetaTensor) else image


def with_meta_of(image: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
    """A result with the metadata of the image that it was made of, if it has any."""
    return MetaTensor(result, meta=image.meta) if isinstance(image, MetaTensor) else result


def add_note(meta: dict[str, Any], key: str, *texts: str) -> None:
    """Add texts to those that metadata have at a key, such as ``warnings``."""
    meta[key] = "; ".join(filter(None, [str(meta.get(key, "")), *texts]))


class DictionaryForm(MapTransform):
    """Apply a transform of one tensor, ``array_form``, to each of the ``keys``; other arguments are the transform's."""

    array_form: Callable[..., Callable[[Any], Any]]
    default_key = "image"
    written: str | None = None
    """Key of the result; None replaces what was read."""

    def __init__(self, *arguments: Any, keys: KeysCollection | None = None, **named: Any) -> None:
        super().__init__(self.default_key if keys is None else keys)
        self.transform = self.array_form(*arguments, **named)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, **{self.written or k: self.transform(data[k]) for k in self.key_iterator(dict(data))}}
