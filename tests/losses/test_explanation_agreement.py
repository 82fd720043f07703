from __future__ import annotations

import pytest
import torch

from monai_tbkd.losses import ExplanationAgreementLoss, MapDistillationLoss
from monai_tbkd.networks import AverageMapPool

TB = torch.tensor([1])


def test_by_hand() -> None:
    # cosine of (1, 0) and (3, 4) is 3/5
    student, teacher = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[3.0, 4.0]]]])
    assert ExplanationAgreementLoss()(student, teacher, TB).item() == pytest.approx(0.4)
    assert ExplanationAgreementLoss()(student, -student, TB).item() == pytest.approx(2.0)


def test_the_explained_class_alone_counts() -> None:
    g = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 3, 2, 2, generator=g), torch.randn(2, 3, 2, 2, generator=g)
    label = torch.tensor([[2], [0]])
    teacher[0, 2], teacher[1, 0] = 2 * student[0, 2], 3 * student[1, 0]
    assert ExplanationAgreementLoss()(student, teacher, label).item() == pytest.approx(0.0, abs=1e-6)
    assert ExplanationAgreementLoss()(student, teacher, label.flip(0)).item() > 0.1


def test_with_a_pooling_it_is_the_class_that_the_teacher_predicts() -> None:
    student, teacher = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    student[0, 0, 0], teacher[0, 0, 0] = torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0])
    student[0, 1, 0], teacher[0, 1, 0] = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert ExplanationAgreementLoss()(student, teacher, TB).item() == pytest.approx(1.0)
    assert ExplanationAgreementLoss(AverageMapPool())(student, teacher, TB).item() == pytest.approx(0.0, abs=1e-6)


def test_one_channel_is_half_of_the_uncentered_distance_of_maps() -> None:
    g = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(4, 1, 4, 4, generator=g), torch.randn(4, 1, 4, 4, generator=g)
    distance = MapDistillationLoss(center=False)(student, teacher)
    found = ExplanationAgreementLoss()(student, teacher, torch.tensor([0, 1, 1, 0]))
    torch.testing.assert_close(found, distance / 2)


def test_positive_evidence_alone_by_hand() -> None:
    student, teacher = torch.tensor([[[[1.0, 0.0, -7.0]]]]), torch.tensor([[[[3.0, 4.0, -1.0]]]])
    loss = ExplanationAgreementLoss(positive=True)
    assert loss(student, teacher, TB).item() == pytest.approx(0.4)
    # against TB speaks what is negative: (0, 0, 7) and (0, 0, 1)
    assert loss(student, teacher, torch.tensor([0])).item() == pytest.approx(0.0, abs=1e-6)
    # a film without any evidence takes no part
    assert loss(student, -teacher.abs(), TB).item() == 0.0


@pytest.mark.parametrize("positive", [False, True])
def test_zero_and_without_gradient_where_both_agree(positive: bool) -> None:
    student = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    teacher = student.detach().clone().requires_grad_(True)
    loss = ExplanationAgreementLoss(positive=positive)(student, teacher, torch.tensor([0, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-6
    assert teacher.grad is None


def test_sizes_meet_and_other_classes_are_refused() -> None:
    fine = torch.randn(1, 1, 8, 8)
    assert ExplanationAgreementLoss()(fine, fine[..., ::2, ::2], TB).item() == pytest.approx(0.0, abs=1e-6)
    flat = torch.zeros(1, 1, 4, 4, requires_grad=True)
    ExplanationAgreementLoss()(flat, fine, TB).backward()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()
    with pytest.raises(ValueError, match="classes"):
        ExplanationAgreementLoss()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 4, 4), TB)
