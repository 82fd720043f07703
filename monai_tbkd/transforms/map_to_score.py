"""From an activation map to the film's TB score."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
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
    """The share of tuberculosis in each cell of an activation map.

    Args:
        tb_index: channel of tuberculosis; the last by default.
    """

    def __init__(self, tb_index: int = -1) -> None:
        self.tb_index = tb_index

    def __call__(self, activation_map: torch.Tensor) -> torch.Tensor:
        """Map in logits ``(C, h, w)`` to probabilities ``(1, h, w)`` of 0-1."""
        return torch.sigmoid(class_log_odds(_plain(activation_map).float().unsqueeze(0), self.tb_index))[0]


class MapToTBProbabilityd(MapTransform):
    """Dictionary form of :class:`MapToTBProbability`: reads the map at ``keys``, writes it at ``probability_key``."""

    def __init__(
        self,
        keys: KeysCollection = "pred",
        probability_key: str = "tb_map",
        tb_index: int = -1,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.to_probability = MapToTBProbability(tb_index)
        self.probability_key = probability_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[self.probability_key] = self.to_probability(d[key])
        return d


def _plain(x: torch.Tensor) -> torch.Tensor:
    return x.as_tensor() if isinstance(x, MetaTensor) else x
