from __future__ import annotations

import math

import pytest
import torch

from monai_tbkd.losses import BalancedLabelLoss


def softplus(x: float) -> float:
    return math.log(1 + math.exp(x))


def test_yes_and_no_weigh_the_same_by_hand() -> None:
    logits, label = torch.tensor([[2.0, -1.0], [0.5, 1.5]]), torch.tensor([[1, 0], [0, 0]])
    no = (softplus(-1.0) + softplus(0.5) + softplus(1.5)) / 3
    assert float(BalancedLabelLoss()(logits, label)) == pytest.approx((softplus(-2.0) + no) / 2)


def test_more_of_the_same_changes_nothing() -> None:
    logits, label = torch.tensor([[2.0], [0.5]]), torch.tensor([[1], [0]])
    more = BalancedLabelLoss()(logits[[0, 1, 1, 1, 1]], label[[0, 1, 1, 1, 1]])
    torch.testing.assert_close(more, BalancedLabelLoss()(logits, label))


@pytest.mark.parametrize("answer", [0, 1])
def test_one_answer_alone_counts_whole(answer: int) -> None:
    logits = torch.tensor([[2.0, -1.0]])
    sign = -1 if answer else 1
    expected = (softplus(sign * 2.0) + softplus(sign * -1.0)) / 2
    assert float(BalancedLabelLoss()(logits, torch.full((1, 2), answer))) == pytest.approx(expected)


def test_labels_of_films_where_there_is_one_output() -> None:
    logits = torch.tensor([[2.0], [-1.0]])
    loss = BalancedLabelLoss()
    torch.testing.assert_close(loss(logits, torch.tensor([1, 0])), loss(logits, torch.tensor([[1], [0]])))


def test_gradient_of_the_rare_answer_is_as_large() -> None:
    logits = torch.zeros(4, 1, requires_grad=True)
    BalancedLabelLoss()(logits, torch.tensor([1, 0, 0, 0])).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad[:, 0], torch.tensor([-1 / 4, 1 / 12, 1 / 12, 1 / 12]))


def test_another_number_of_labels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\) logits and \(2,\) labels"):
        BalancedLabelLoss()(torch.zeros(2, 2), torch.zeros(2))
