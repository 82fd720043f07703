from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_tbkd.losses import DistillationObjective, LabelLoss, LogitDistillationLoss, MapDistillationLoss
from monai_tbkd.networks import AverageMapPool


class Never(nn.Module):
    def forward(self, *args: torch.Tensor) -> torch.Tensor:
        raise AssertionError("a term of weight 0 was computed")


def objective(**weights: float) -> DistillationObjective:
    return DistillationObjective(
        AverageMapPool(), LabelLoss(), LogitDistillationLoss(2.0), MapDistillationLoss(), **weights
    )


def test_total_is_the_weighted_sum() -> None:
    g = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(3, 2, 4, 4, generator=g), torch.randn(3, 2, 4, 4, generator=g)
    terms = objective(label_weight=0.5, logit_weight=2.0, map_weight=3.0)(student, torch.tensor([0, 1, 1]), teacher)
    assert set(terms) == {"label", "logits", "map", "total"}
    torch.testing.assert_close(terms["total"], 0.5 * terms["label"] + 2 * terms["logits"] + 3 * terms["map"])


def test_weight_zero_is_not_computed() -> None:
    loss = DistillationObjective(AverageMapPool(), LabelLoss(), Never(), Never())
    assert set(loss(torch.zeros(1, 2, 2, 2), torch.tensor([1]))) == {"label", "total"}
    assert not loss.needs_teacher


def test_bad_weights_and_missing_teacher() -> None:
    with pytest.raises(ValueError, match="map term is -1"):
        objective(map_weight=-1)
    with pytest.raises(ValueError, match="no loss"):
        DistillationObjective(AverageMapPool(), LabelLoss(), logit_weight=1.0)
    with pytest.raises(ValueError, match="All weights"):
        objective(label_weight=0)
    with pytest.raises(ValueError, match="no teacher map"):
        objective(map_weight=1.0)(torch.zeros(1, 2, 2, 2), torch.tensor([1]))
