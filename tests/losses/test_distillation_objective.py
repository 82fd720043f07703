from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from monai_tbkd.losses import (
    BalancedLabelLoss,
    BoxSupervisionLoss,
    CellDistillationLoss,
    DistillationObjective,
    LabelLoss,
    LogitDistillationLoss,
    MapDistillationLoss,
)
from monai_tbkd.networks import AverageMapPool, HemithoraxMapPool

LOSSES = {
    "label": LabelLoss,
    "logits": LogitDistillationLoss,
    "map": MapDistillationLoss,
    "cells": CellDistillationLoss,
    "boxes": BoxSupervisionLoss,
}
LABEL = torch.tensor([0, 1, 1])


def objective(**weights: float) -> DistillationObjective:
    return DistillationObjective(AverageMapPool(), {n: {"loss": LOSSES[n](), "weight": w} for n, w in weights.items()})


def maps(seed: int = 0, classes: int = 2) -> torch.Tensor:
    return torch.randn(3, classes, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_each_term_compares_what_its_loss_names_and_the_total_is_the_weighted_sum() -> None:
    student, teacher, mask = maps(), maps(1), torch.zeros(3, 1, 16, 16)
    mask[1:, :, 4:9, :8] = 1.0
    weights = {"label": 0.5, "logits": 2.0, "map": 3.0, "cells": 4.0, "boxes": 5.0}
    terms = objective(**weights)(student, LABEL, teacher, mask)
    logits, teacher_logits = student.mean((2, 3)), teacher.mean((2, 3))
    expected = {
        "label": LabelLoss()(logits, LABEL),
        "logits": LogitDistillationLoss()(logits, teacher_logits),
        "map": MapDistillationLoss()(student, teacher),
        "cells": CellDistillationLoss()(student, teacher),
        "boxes": BoxSupervisionLoss()(student, mask),
    }
    assert set(terms) == {*expected, "total"}
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)
    torch.testing.assert_close(terms["total"], sum(weights[name] * value for name, value in expected.items()))


def test_a_term_of_weight_zero_is_not_computed() -> None:
    class Never(nn.Module):
        inputs = ("map", "teacher_map")

        def forward(self, *args: torch.Tensor) -> torch.Tensor:
            raise AssertionError("a term of weight 0 was computed")

    terms = {"label": {"loss": LabelLoss()}, "never": {"loss": Never(), "weight": 0.0}}  # the weight is 1 by default
    loss = DistillationObjective(AverageMapPool(), terms)
    found = loss(maps(), LABEL)
    assert set(found) == {"label", "total"}
    torch.testing.assert_close(found["total"], found["label"])
    assert not loss.needs("teacher")


def test_what_is_needed_follows_from_the_terms() -> None:
    needs = {
        name: [each for each in ("teacher", "box_mask") if objective(**{name: 1.0}).needs(each)] for name in LOSSES
    }
    assert needs == {
        "label": [], "logits": ["teacher"], "map": ["teacher"], "cells": ["teacher"], "boxes": ["box_mask"]
    }  # fmt: skip


def test_any_loss_may_be_a_term_under_any_name() -> None:
    class Quiet(nn.Module):
        inputs = ("map",)

        def forward(self, student_map: torch.Tensor) -> torch.Tensor:
            return student_map.abs().mean()

    student = maps()
    found = DistillationObjective(AverageMapPool(), {"quiet": {"loss": Quiet(), "weight": 2}})(student, LABEL)
    torch.testing.assert_close(found["total"], 2 * student.abs().mean())


def test_labels_of_halves() -> None:
    student, halves = maps(classes=1), torch.tensor([[0, 1], [1, 1], [0, 0]])
    pooling = HemithoraxMapPool()
    found = DistillationObjective(pooling, {"label": {"loss": BalancedLabelLoss(), "weight": 1.0}})(student, halves)
    torch.testing.assert_close(found["total"], BalancedLabelLoss()(pooling(student), halves))


def test_gradients_reach_the_student_alone() -> None:
    student, teacher = maps().requires_grad_(True), maps(1).requires_grad_(True)
    objective(label=1.0, logits=1.0, map=1.0, cells=1.0)(student, LABEL, teacher)["total"].backward()
    assert student.grad is not None and student.grad.abs().sum() > 0
    assert teacher.grad is None


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (
            {"map": {"loss": MapDistillationLoss(), "weight": -1}},
            r"The map term is .*expected a loss and a weight of 0",
        ),
        ({"map": {"loss": MapDistillationLoss(), "weight": float("nan")}}, "The map term is"),
        ({"map": {"weight": 1.0}}, r"The map term is .*expected a loss"),
        ({"label": {"loss": LabelLoss(), "weight": 0}}, "All weights"),
        ({}, "All weights"),
    ],
)
def test_bad_terms(terms: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DistillationObjective(AverageMapPool(), terms)


def test_a_batch_without_what_a_term_compares() -> None:
    with pytest.raises(ValueError, match="The logits term compares teacher_logits, which the batch does not bring"):
        objective(label=1.0, logits=1.0)(maps(), LABEL)
    with pytest.raises(ValueError, match="The boxes term compares box_mask"):
        objective(boxes=1.0)(maps(), LABEL, maps(1))
