from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from monai_tbkd.losses import LogitDistillationLoss


def test_zero_and_without_gradient_where_both_agree() -> None:
    student = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = LogitDistillationLoss(4.0)(student, student.detach().clone())
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-7)
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-7


def test_by_hand() -> None:
    # teacher (0, ln 3) has probabilities (1/4, 3/4); student (0, 0) has (1/2, 1/2)
    expected = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    loss = LogitDistillationLoss(1.0)(torch.zeros(1, 2), torch.tensor([[0.0, math.log(3)]]))
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_temperature_and_its_square() -> None:
    student, teacher = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 0.7]])
    soft = LogitDistillationLoss(1.0)(student / 3, teacher / 3)
    assert LogitDistillationLoss(3.0)(student, teacher).item() == pytest.approx(9 * soft.item(), rel=1e-5)


def test_one_logit_is_the_binary_divergence() -> None:
    student, teacher = torch.tensor([[0.3]]), torch.tensor([[1.7]])
    p, q = student.sigmoid(), teacher.sigmoid()
    expected = (q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()).item()
    assert LogitDistillationLoss(1.0)(student, teacher).item() == pytest.approx(expected, rel=1e-5)


def test_teacher_gets_no_gradient_and_the_batch_is_averaged() -> None:
    teacher = torch.randn(4, 2, requires_grad=True)
    student = torch.randn(4, 2, requires_grad=True)
    loss = LogitDistillationLoss(2.0)(student, teacher)
    loss.backward()
    assert teacher.grad is None
    each = [LogitDistillationLoss(2.0)(student[i : i + 1], teacher[i : i + 1]) for i in range(4)]
    assert loss.item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-5)
    assert F.softmax(student, 1).isfinite().all()


def test_other_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(2, 3\)"):
        LogitDistillationLoss()(torch.zeros(2, 2), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="temperature"):
        LogitDistillationLoss(0)
