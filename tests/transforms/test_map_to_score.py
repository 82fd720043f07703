from __future__ import annotations

import torch
from monai.data import MetaTensor

from monai_tbkd.networks import AverageMapPool
from monai_tbkd.transforms import MapToTBProbability, MapToTBScore, MapToTBScored


def test_score_is_the_softmax_of_the_pooled_map() -> None:
    activation_map = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    expected = activation_map.mean((1, 2)).softmax(0)[2]
    torch.testing.assert_close(MapToTBScore(AverageMapPool())(activation_map), expected[None])
    torch.testing.assert_close(MapToTBProbability()(activation_map)[0], activation_map.softmax(0)[2])


def test_dictionary_form_takes_meta_tensors() -> None:
    out = MapToTBScored(AverageMapPool())({"pred": MetaTensor(torch.zeros(1, 2, 2))})
    assert out["score"].tolist() == [0.5]
    assert not isinstance(out["score"], MetaTensor)
