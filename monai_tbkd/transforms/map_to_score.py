"""From an activation map to the film's TB score."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform

from monai_tbkd.networks import class_log_odds


class MapToTBScore(Transform):
    """Pool a film's activation map and give the probability of tuberculosis.

    Args:
        pooling: the pooling that the network was trained with, ``(B, C, h, w)`` to ``(B, C)``.
        tb_index: channel of tuberculosis; the last by default.
    """

    def __init__(self, pooling: Callable[[torch.Tensor], torch.Tensor], tb_index: int = -1) -> None:
        self.pooling = pooling
        self.tb_index = tb_index

    def __call__(self, activation_map: torch.Tensor) -> torch.Tensor:
        """Map in logits ``(C, h, w)`` to a probability ``(1,)`` of 0-1."""
        logits = self.pooling(_plain(activation_map).float().unsqueeze(0))
        return torch.sigmoid(class_log_odds(logits, self.tb_index))[0]


class MapToTBScored(MapTransform):
    """Dictionary form of :class:`MapToTBScore`: reads the map at ``keys``, writes the score at ``score_key``."""

    def __init__(
        self,
        pooling: Callable[[torch.Tensor], torch.Tensor],
        keys: KeysCollection = "pred",
        score_key: str = "score",
        tb_index: int = -1,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.to_score = MapToTBScore(pooling, tb_index)
        self.score_key = score_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[self.score_key] = self.to_score(d[key])
        return d


class MapToTBProbability(Transform):
    """The probability of tuberculosis at each place of the film.

    A strided convolutional network with symmetric padding, as every ResNet is, centers cell ``i`` of its map on pixel
    ``output_stride * i``, not on the middle of the ``i``-th tile of the film. Drawn as tiles, as CAM libraries draw
    it, a map is half a cell too far right and down: 16 pixels at an output stride of 32. Here each cell is put where
    it looks, on a finer grid whose cells are the film's tiles, so that everything after may treat it as a picture.

    Args:
        output_stride: pixels of the network's input per cell of its map.
        size: (height, width) of the network's input in pixels; it need not be a multiple of the stride.
        cell: pixels of the network's input per cell of the result, about.
        tb_index: channel of tuberculosis; the last by default.

    Raises:
        ValueError: numbers that are not above 0, or a map that is not of such an input.

    Example:
        >>> MapToTBProbability(output_stride=16, size=(48, 80))(torch.zeros(1, 3, 5)).shape
        torch.Size([1, 12, 20])
    """

    def __init__(self, output_stride: int, size: Sequence[int], cell: int = 4, tb_index: int = -1) -> None:
        self.output_stride, self.size, self.cell = int(output_stride), (int(size[0]), int(size[1])), int(cell)
        if min(self.output_stride, *self.size, self.cell) < 1:
            raise ValueError(f"output_stride is {output_stride}, size {tuple(size)} and cell {cell}; expected above 0.")
        self.tb_index = tb_index

    def __call__(self, activation_map: torch.Tensor) -> torch.Tensor:
        """Map in logits ``(C, h, w)`` to probabilities ``(1, height / cell, width / cell)`` of 0-1."""
        expected = tuple(-(-s // self.output_stride) for s in self.size)
        if tuple(activation_map.shape[-2:]) != expected:
            raise ValueError(
                f"The map is {tuple(activation_map.shape[-2:])}; an input of {self.size} pixels at an output stride of "
                f"{self.output_stride} has one of {expected}."
            )
        log_odds = class_log_odds(_plain(activation_map).float().unsqueeze(0), self.tb_index)
        rows, columns = (self._positions(n, s, log_odds) for n, s in zip(log_odds.shape[-2:], self.size))
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[None]  # (1, H, W, 2), x first
        placed = F.grid_sample(log_odds, grid, mode="bilinear", padding_mode="border", align_corners=True)
        return torch.sigmoid(placed)[0]

    def _positions(self, cells: int, pixels: int, like: torch.Tensor) -> torch.Tensor:
        # Middles of the new cells in pixels of the input (pixel 0 has its middle at 0), then in cells of the map.
        number = max(1, round(pixels / self.cell))
        middles = (torch.arange(number, device=like.device, dtype=torch.float64) + 0.5) * pixels / number - 0.5
        return (middles / self.output_stride).to(like.dtype) * (2.0 / max(cells - 1, 1)) - 1.0


class MapToTBProbabilityd(MapTransform):
    """Dictionary form of :class:`MapToTBProbability`: reads the map at ``keys``, writes it at ``probability_key``."""

    def __init__(
        self,
        output_stride: int,
        size: Sequence[int],
        keys: KeysCollection = "pred",
        probability_key: str = "tb_map",
        cell: int = 4,
        tb_index: int = -1,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.to_probability = MapToTBProbability(output_stride, size, cell, tb_index)
        self.probability_key = probability_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[self.probability_key] = self.to_probability(d[key])
        return d


def _plain(x: torch.Tensor) -> torch.Tensor:
    return x.as_tensor() if isinstance(x, MetaTensor) else x
