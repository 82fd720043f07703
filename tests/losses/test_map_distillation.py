from __future__ import annotations

import pytest
import torch

from monai_tbkd.losses import MapDistillationLoss


def one_hot_map(row: int, column: int, size: int = 4) -> torch.Tensor:
    maps = torch.zeros(1, 1, size, size)
    maps[0, 0, row, column] = 1.0
    return maps


def test_same_place_is_zero_whatever_the_strength_and_level() -> None:
    teacher = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    assert MapDistillationLoss()(5 * teacher - 3, teacher).item() == pytest.approx(0.0, abs=1e-6)


def test_other_place_by_hand() -> None:
    # unit vectors at a right angle are sqrt(2) apart
    assert MapDistillationLoss(center=False)(one_hot_map(0, 0), one_hot_map(3, 3)).item() == pytest.approx(2.0)
    # centered, two of 16 cells: cosine -1/15
    assert MapDistillationLoss()(one_hot_map(0, 0), one_hot_map(3, 3)).item() == pytest.approx(2 + 2 / 15, rel=1e-5)


def test_opposite_is_four() -> None:
    teacher = torch.randn(1, 1, 4, 4)
    assert MapDistillationLoss()(-teacher, teacher).item() == pytest.approx(4.0, rel=1e-5)


def test_sizes_meet_at_the_coarser() -> None:
    coarse = one_hot_map(1, 2)
    fine = coarse.repeat_interleave(2, -1).repeat_interleave(2, -2)
    assert MapDistillationLoss()(fine, coarse).item() == pytest.approx(0.0, abs=1e-6)


def test_flat_map_has_a_finite_gradient() -> None:
    student = torch.zeros(1, 1, 4, 4, requires_grad=True)
    MapDistillationLoss()(student, one_hot_map(0, 0)).backward()
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_other_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="classes"):
        MapDistillationLoss()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 4, 4))


def test_it_is_the_published_loss_times_the_cells() -> None:
    # CAT-KD's code: maps of 2 x 2 cells, unit length over them, mean squared error
    g = torch.Generator().manual_seed(1)
    student, teacher = torch.randn(3, 2, 2, 2, generator=g), torch.randn(3, 2, 2, 2, generator=g)
    s, t = (x.flatten(2) / x.flatten(2).square().sum(-1, keepdim=True).sqrt() for x in (student, teacher))
    published = (s - t).square().mean()
    torch.testing.assert_close(MapDistillationLoss(center=False)(student, teacher), 4 * published)


def test_no_gradient_where_both_agree_and_none_for_the_teacher() -> None:
    student = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    teacher = student.detach().clone().requires_grad_(True)
    MapDistillationLoss()(student, teacher).backward()
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-6
    assert teacher.grad is None
