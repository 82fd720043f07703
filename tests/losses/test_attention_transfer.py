from __future__ import annotations

import pytest
import torch

from monai_tbkd.losses import AttentionTransferLoss


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_published_loss_times_the_cells() -> None:
    # their code: normalize(mean over channels of x^2), mean over films and cells of the squared difference
    student, teacher = features(3, 4, 5, 6), features(3, 7, 5, 6, seed=1)
    s, t = (x.pow(2).mean(1).reshape(3, -1) for x in (student, teacher))
    s, t = (x / x.norm(dim=1, keepdim=True) for x in (s, t))
    found = AttentionTransferLoss(["layer3"])([student], [teacher])
    torch.testing.assert_close(found, 30 * (s - t).pow(2).mean())


def test_by_hand() -> None:
    # attention (9 + 16, 0) against (0, 1): unit vectors at a right angle
    student = torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])
    teacher = torch.tensor([[[[0.0, -1.0]]]])
    assert AttentionTransferLoss(["a"])([student], [teacher]).item() == pytest.approx(2.0)
    # and the mean with a stage that agrees
    both = AttentionTransferLoss(["a", "b"])([student, student], [teacher, student])
    assert both.item() == pytest.approx(1.0)


def test_zero_and_without_gradient_where_both_agree() -> None:
    student = features(2, 3, 4, 4).requires_grad_(True)
    teacher = student.detach().clone().requires_grad_(True)
    loss = AttentionTransferLoss(["a"])([student], [teacher])
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-7)
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-7
    assert teacher.grad is None


def test_sizes_meet_at_the_coarser_and_nothing_at_all_is_finite() -> None:
    fine = features(1, 3, 8, 8)
    assert AttentionTransferLoss(["a"])([fine], [fine[..., ::2, ::2]]).item() == pytest.approx(0.0, abs=1e-6)
    nothing = torch.zeros(1, 3, 4, 4, requires_grad=True)
    AttentionTransferLoss(["a"])([nothing], [fine]).backward()
    assert nothing.grad is not None
    assert nothing.grad.isfinite().all()


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one stage"):
        AttentionTransferLoss([])
    with pytest.raises(ValueError, match="list"):
        AttentionTransferLoss("layer2")
    with pytest.raises(ValueError, match=r"1 feature maps of the student and 2 .* expected 2 each, of a, b"):
        AttentionTransferLoss(["a", "b"])([features(1, 1, 2, 2)], [features(1, 1, 2, 2)] * 2)
    with pytest.raises(ValueError, match="of a are of 1 and 2 films"):
        AttentionTransferLoss(["a"])([features(1, 1, 2, 2)], [features(2, 1, 2, 2)])
