from __future__ import annotations

import math

import pytest
import torch

from monai_tbkd.losses import CellDistillationLoss, LogitDistillationLoss


def random_maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_by_hand() -> None:
    # teacher ln 3 says 3/4, the student's 0 says 1/2; the second cell agrees
    teacher, student = torch.tensor([[[[math.log(3), 0.0]]]]), torch.zeros(1, 1, 1, 2)
    one_cell = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert CellDistillationLoss()(student, teacher).item() == pytest.approx(one_cell / 2, rel=1e-6)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_it_is_hintons_loss_of_each_cell(classes: int) -> None:
    student, teacher = random_maps(2, classes, 3, 4), random_maps(2, classes, 3, 4, seed=1)
    cells = [x.permute(0, 2, 3, 1).reshape(-1, classes) for x in (student, teacher)]
    torch.testing.assert_close(CellDistillationLoss(3.0)(student, teacher), LogitDistillationLoss(3.0)(*cells))


@pytest.mark.parametrize("classes", [1, 3])
def test_zero_and_without_gradient_where_both_agree(classes: int) -> None:
    student = random_maps(2, classes, 4, 4).requires_grad_(True)
    teacher = student.detach().clone().requires_grad_(True)
    loss = CellDistillationLoss(2.0)(student, teacher)
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-7
    assert teacher.grad is None


def test_sizes_meet_at_the_coarser() -> None:
    fine = random_maps(1, 1, 8, 8)
    assert CellDistillationLoss()(fine, fine[..., ::2, ::2]).item() == pytest.approx(0.0, abs=1e-6)


def test_strong_logits_stay_finite() -> None:
    student = torch.tensor([[[[200.0, -200.0]]]], requires_grad=True)
    loss = CellDistillationLoss()(student, torch.full((1, 1, 1, 2), -100.0))  # as CloseByLabeld closes an image
    loss.backward()
    assert loss.item() == pytest.approx(100.0)
    assert student.grad is not None
    assert student.grad.isfinite().all()
    assert student.grad[0, 0, 0, 0] > 0


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature is 0"):
        CellDistillationLoss(0)
    with pytest.raises(ValueError, match="classes"):
        CellDistillationLoss()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 4, 4))
