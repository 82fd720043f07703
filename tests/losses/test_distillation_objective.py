from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_tbkd.losses import (
    AttentionTransferLoss,
    CellDistillationLoss,
    DistillationObjective,
    ExplanationAgreementLoss,
    LabelLoss,
    LogitDistillationLoss,
    MapDistillationLoss,
)
from monai_tbkd.networks import AverageMapPool


class Never(nn.Module):
    def forward(self, *args: torch.Tensor) -> torch.Tensor:
        raise AssertionError("a term of weight 0 was computed")


def objective(**weights: float) -> DistillationObjective:
    return DistillationObjective(
        AverageMapPool(),
        LabelLoss(),
        LogitDistillationLoss(2.0),
        MapDistillationLoss(),
        CellDistillationLoss(),
        AttentionTransferLoss(["layer2"]),
        ExplanationAgreementLoss(),
        **weights,
    )


def test_total_is_the_weighted_sum() -> None:
    g = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(3, 2, 4, 4, generator=g), torch.randn(3, 2, 4, 4, generator=g)
    terms = objective(label_weight=0.5, logit_weight=2.0, map_weight=3.0)(student, torch.tensor([0, 1, 1]), teacher)
    assert set(terms) == {"label", "logits", "map", "total"}
    torch.testing.assert_close(terms["total"], 0.5 * terms["label"] + 2 * terms["logits"] + 3 * terms["map"])


def test_weight_zero_is_not_computed() -> None:
    loss = DistillationObjective(AverageMapPool(), LabelLoss(), Never(), Never(), Never(), Never(), Never())
    assert set(loss(torch.zeros(1, 2, 2, 2), torch.tensor([1]))) == {"label", "total"}
    assert not loss.needs_teacher
    assert loss.stages == ()


def test_every_term_is_in_the_sum() -> None:
    g = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(3, 2, 4, 4, generator=g), torch.randn(3, 2, 4, 4, generator=g)
    features = [torch.randn(3, 5, 4, 4, generator=g)], [torch.randn(3, 6, 4, 4, generator=g)]
    names = ("label", "logit", "map", "cell", "attention", "explanation")
    loss = objective(**{f"{name}_weight": 2.0**i for i, name in enumerate(names)})
    assert loss.needs_teacher
    assert loss.stages == ("layer2",)
    terms = loss(student, torch.tensor([0, 1, 1]), teacher, *features)
    expected = sum(
        2**i * terms[n] for i, n in enumerate(("label", "logits", "map", "cells", "attention", "explanation"))
    )
    torch.testing.assert_close(terms["total"], expected)
    assert set(terms) == {"label", "logits", "map", "cells", "attention", "explanation", "total"}


def test_weights_may_change_on_the_way() -> None:
    loss = objective()
    assert not loss.needs_teacher
    loss.set_weight("cells", 0.5)
    assert loss.needs_teacher
    maps = torch.zeros(1, 2, 2, 2)
    assert set(loss(maps, torch.tensor([1]), maps)) == {"label", "cells", "total"}
    with pytest.raises(ValueError, match="no term 'maps'"):
        loss.set_weight("maps", 1.0)
    with pytest.raises(ValueError, match="no features"):
        objective(attention_weight=1.0)(maps, torch.tensor([1]), maps)
    for name in ("label", "cells"):
        loss.set_weight(name, 0.0)
    with pytest.raises(ValueError, match="have become 0"):
        loss(maps, torch.tensor([1]), maps)


def test_bad_weights_and_missing_teacher() -> None:
    with pytest.raises(ValueError, match="map term is -1"):
        objective(map_weight=-1)
    with pytest.raises(ValueError, match="no loss"):
        DistillationObjective(AverageMapPool(), LabelLoss(), logit_weight=1.0)
    with pytest.raises(ValueError, match="All weights"):
        objective(label_weight=0)
    with pytest.raises(ValueError, match="no teacher map"):
        objective(map_weight=1.0)(torch.zeros(1, 2, 2, 2), torch.tensor([1]))
