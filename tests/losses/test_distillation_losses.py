from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from monai_tbkd.losses import CellDistillationLoss, LogitDistillationLoss, MapDistillationLoss


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


def random_maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_it_is_hintons_loss_of_each_cell(classes: int) -> None:
    student, teacher = random_maps(2, classes, 3, 4), random_maps(2, classes, 3, 4, seed=1)
    cells = [x.permute(0, 2, 3, 1).reshape(-1, classes) for x in (student, teacher)]
    torch.testing.assert_close(CellDistillationLoss(3.0)(student, teacher), LogitDistillationLoss(3.0)(*cells))


def test_strong_logits_stay_finite() -> None:
    student = torch.tensor([[[[200.0, -200.0]]]], requires_grad=True)
    loss = CellDistillationLoss()(student, torch.full((1, 1, 1, 2), -100.0))  # as CloseByLabeld closes an image
    loss.backward()
    assert loss.item() == pytest.approx(100.0)
    assert student.grad is not None
    assert student.grad.isfinite().all()
    assert student.grad[0, 0, 0, 0] > 0


def one_hot_map(row: int, column: int, size: int = 4) -> torch.Tensor:
    maps = torch.zeros(1, 1, size, size)
    maps[0, 0, row, column] = 1.0
    return maps


def test_same_place_is_zero_whatever_the_strength_and_level() -> None:
    teacher = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    assert MapDistillationLoss()(5 * teacher - 3, teacher).item() == pytest.approx(0.0, abs=1e-6)


def test_other_place_by_hand() -> None:
    # centered, two of 16 cells: cosine -1/15
    assert MapDistillationLoss()(one_hot_map(0, 0), one_hot_map(3, 3)).item() == pytest.approx(2 + 2 / 15, rel=1e-5)


def test_opposite_is_four() -> None:
    teacher = torch.randn(1, 1, 4, 4)
    assert MapDistillationLoss()(-teacher, teacher).item() == pytest.approx(4.0, rel=1e-5)


def test_flat_map_has_a_finite_gradient() -> None:
    student = torch.zeros(1, 1, 4, 4, requires_grad=True)
    MapDistillationLoss()(student, one_hot_map(0, 0)).backward()
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_logits_and_cells_by_hand() -> None:
    # the teacher's ln 3 is a probability of 3/4, the student's 0 one of 1/2; the second cell agrees
    expected = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    loss = LogitDistillationLoss(1.0)(torch.zeros(1, 2), torch.tensor([[0.0, math.log(3)]]))
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    teacher, student = torch.tensor([[[[math.log(3), 0.0]]]]), torch.zeros(1, 1, 1, 2)
    assert CellDistillationLoss()(student, teacher).item() == pytest.approx(expected / 2, rel=1e-6)


@pytest.mark.parametrize("loss", [LogitDistillationLoss(4.0), CellDistillationLoss(2.0), MapDistillationLoss()])
def test_zero_and_without_gradient_where_both_agree(loss: nn.Module) -> None:
    shape = (5, 3) if type(loss) is LogitDistillationLoss else (2, 3, 4, 4)
    student = random_maps(*shape).requires_grad_(True)
    teacher = student.detach().clone().requires_grad_(True)
    found = loss(student, teacher)
    found.backward()
    assert found.item() == pytest.approx(0.0, abs=1e-6)
    assert student.grad is not None and student.grad.abs().max() < 1e-6
    assert teacher.grad is None


@pytest.mark.parametrize("loss", [CellDistillationLoss(), MapDistillationLoss()])
def test_sizes_meet_at_the_coarser(loss: nn.Module) -> None:
    fine = random_maps(1, 1, 8, 8)
    assert loss(fine, fine[..., ::2, ::2]).item() == pytest.approx(0.0, abs=1e-6)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(2, 3\)"):
        LogitDistillationLoss()(torch.zeros(2, 2), torch.zeros(2, 3))
    for loss in (CellDistillationLoss(), MapDistillationLoss()):
        with pytest.raises(ValueError, match="classes"):
            loss(torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 4, 4))
    for kind in (LogitDistillationLoss, CellDistillationLoss):
        with pytest.raises(ValueError, match="temperature is 0"):
            kind(0)
