"""From an activation map to the image's TB score and to TB probabilities."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform

from monai_tbkd.networks.cell_positions import on_tiles
from monai_tbkd.networks.log_odds import class_log_odds
from monai_tbkd.transforms.plain_tensor import plain_tensor


class MapToTBScore(Transform):
    """Pool an activation map in logits ``(C, h, w)`` to the probability of tuberculosis, ``(1,)`` of 0-1."""

    def __init__(self, pooling: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.pooling = pooling

    def __call__(self, activation_map: torch.Tensor) -> torch.Tensor:
        logits = self.pooling(plain_tensor(activation_map).float().unsqueeze(0))
        return torch.sigmoid(class_log_odds(logits))[0]


class MapToTBScored(MapTransform):
    """Dictionary form of :class:`MapToTBScore`: reads the map at ``keys``, writes ``score``."""

    def __init__(self, pooling: Callable[[torch.Tensor], torch.Tensor], keys: KeysCollection = "pred") -> None:
        super().__init__(keys)
        self.to_score = MapToTBScore(pooling)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, "score": self.to_score(data[self.keys[0]])}


class MapToTBProbability(Transform):
    """TB probabilities ``(1, height / cell, width / cell)`` on tiles of the image, of a map in logits ``(C, h, w)``.

    Cell ``i`` of a network's map lies on pixel ``output_stride * i`` (:mod:`monai_tbkd.networks.cell_positions`); the
    result may be treated as a picture of the image.

    Args:
        output_stride: pixels of the network's input per cell of its map.
        size: (height, width) of the network's input in pixels; it need not be a multiple of the stride.
        cell: pixels of the network's input per cell of the result, about.

    Raises:
        ValueError: numbers that are not above 0, or in a call a map that is not of such an input.
    """

    def __init__(self, output_stride: int, size: Sequence[int], cell: int = 4) -> None:
        self.output_stride, self.size, self.cell = int(output_stride), (int(size[0]), int(size[1])), int(cell)
        if min(self.output_stride, *self.size, self.cell) < 1:
            raise ValueError(f"output_stride is {output_stride}, size {tuple(size)} and cell {cell}; expected above 0.")

    def __call__(self, activation_map: torch.Tensor) -> torch.Tensor:
        expected = tuple(-(-s // self.output_stride) for s in self.size)
        if tuple(activation_map.shape[-2:]) != expected:
            raise ValueError(
                f"The map is {tuple(activation_map.shape[-2:])}; an input of {self.size} pixels at an output stride of "
                f"{self.output_stride} has one of {expected}."
            )
        log_odds = class_log_odds(plain_tensor(activation_map).float().unsqueeze(0))
        return torch.sigmoid(on_tiles(log_odds, self.output_stride, self.size, self.cell))[0]


class MapToTBProbabilityd(MapTransform):
    """Dictionary form of :class:`MapToTBProbability`: reads the map at ``keys``, writes ``tb_map``."""

    def __init__(self, output_stride: int, size: Sequence[int], keys: KeysCollection = "pred") -> None:
        super().__init__(keys)
        self.to_probability = MapToTBProbability(output_stride, size)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, "tb_map": self.to_probability(data[self.keys[0]])}
