from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from monai_tbkd.losses import UNKNOWN_LABEL, CellDistillationLoss, LogitDistillationLoss

TB, NOT_TB = torch.tensor([1]), torch.tensor([0])


def random_maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_by_hand() -> None:
    # teacher ln 3 says 3/4, the student's 0 says 1/2; the second cell agrees
    teacher, student = torch.tensor([[[[math.log(3), 0.0]]]]), torch.zeros(1, 1, 1, 2)
    one_cell = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert CellDistillationLoss()(student, teacher, TB).item() == pytest.approx(one_cell / 2, rel=1e-6)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_it_is_hintons_loss_of_each_cell(classes: int) -> None:
    student, teacher = random_maps(2, classes, 3, 4), random_maps(2, classes, 3, 4, seed=1)
    cells = [x.permute(0, 2, 3, 1).reshape(-1, classes) for x in (student, teacher)]
    found = CellDistillationLoss(temperature=3.0, gate_by_label=False)(student, teacher)
    torch.testing.assert_close(found, LogitDistillationLoss(3.0)(*cells))


@pytest.mark.parametrize("classes", [1, 3])
def test_zero_and_without_gradient_where_both_agree(classes: int) -> None:
    student = random_maps(2, classes, 4, 4).requires_grad_(True)
    teacher = student.detach().clone().requires_grad_(True)
    loss = CellDistillationLoss(2.0)(student, teacher, torch.full((2,), max(classes - 1, 1)))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-7
    assert teacher.grad is None


def test_a_film_without_tb_has_no_tb_anywhere_whatever_the_teacher_says() -> None:
    student = random_maps(2, 1, 4, 4).requires_grad_(True)
    teacher = torch.full((2, 1, 4, 4), 5.0)
    loss = CellDistillationLoss()(student, teacher, torch.tensor([[0], [1]]))  # as batches may bring labels
    negative = F.binary_cross_entropy_with_logits(student[0], torch.zeros(1, 4, 4))
    q = torch.tensor(5.0).sigmoid()
    entropy = -(q * q.log() + (1 - q) * (1 - q).log())
    positive = F.binary_cross_entropy_with_logits(student[1], q.expand(1, 4, 4)) - entropy
    torch.testing.assert_close(loss, (negative + positive) / 2)
    loss.backward()
    assert student.grad is not None
    assert student.grad.isfinite().all()
    assert (student.grad[0] > 0).all()


def test_with_three_classes_the_teacher_still_says_which_of_the_others() -> None:
    teacher = torch.tensor([math.log(1), math.log(3), 8.0]).reshape(1, 3, 1, 1)
    target = torch.tensor([0.25, 0.75, 0.0])
    student = random_maps(1, 3, 1, 1)
    expected = (target[:2] * (target[:2] / student.softmax(1)[0, :2, 0, 0]).log()).sum()
    torch.testing.assert_close(CellDistillationLoss()(student, teacher, NOT_TB), expected)


def test_sizes_meet_at_the_coarser() -> None:
    fine = random_maps(1, 1, 8, 8)
    assert CellDistillationLoss()(fine, fine[..., ::2, ::2], TB).item() == pytest.approx(0.0, abs=1e-6)


def test_strong_logits_stay_finite() -> None:
    student = torch.tensor([[[[200.0, -200.0]]]], requires_grad=True)
    loss = CellDistillationLoss()(student, -student.detach(), NOT_TB)
    loss.backward()
    assert loss.item() == pytest.approx(100.0)
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature is 0"):
        CellDistillationLoss(0)
    with pytest.raises(ValueError, match="classes"):
        CellDistillationLoss()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 4, 4), TB)
    with pytest.raises(ValueError, match="gated by the label"):
        CellDistillationLoss()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))


def test_a_film_without_a_label_keeps_the_teachers_word() -> None:
    teacher, student = torch.full((1, 1, 2, 2), 3.0), torch.zeros(1, 1, 2, 2)
    gated, free = CellDistillationLoss(), CellDistillationLoss(gate_by_label=False)
    assert float(gated(student, teacher, torch.tensor([UNKNOWN_LABEL]))) == float(free(student, teacher))
    assert float(gated(student, teacher, torch.tensor([0]))) != float(free(student, teacher))
