from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from monai_tbkd.losses import UNKNOWN_LABEL, LabelLoss


def test_one_logit_is_binary_cross_entropy() -> None:
    logits, label = torch.tensor([[0.4], [-2.0], [1.1]]), torch.tensor([1, 0, 0])
    torch.testing.assert_close(
        LabelLoss()(logits, label), F.binary_cross_entropy_with_logits(logits[:, 0], label.float())
    )


def test_weights_and_label_shape() -> None:
    logits = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
    label = torch.tensor([[2], [1]])
    expected = F.cross_entropy(logits, label[:, 0], weight=torch.tensor([1.0, 1.0, 4.0]))
    torch.testing.assert_close(LabelLoss([1, 1, 4])(logits, label), expected)


def test_not_one_weight_a_class() -> None:
    with pytest.raises(ValueError, match="class_weights has 2 values; expected 3"):
        LabelLoss([1, 5])(torch.zeros(2, 3), torch.tensor([0, 1]))


def test_films_without_a_label_take_no_part() -> None:
    logits = torch.tensor([[2.0], [-1.0], [5.0]], requires_grad=True)
    label = torch.tensor([1, 0, UNKNOWN_LABEL])
    loss = LabelLoss()
    assert float(loss(logits, label)) == pytest.approx(float(loss(logits[:2], label[:2])))
    none = loss(logits, torch.full((3,), UNKNOWN_LABEL))
    none.backward()
    assert float(none) == 0 and logits.grad is not None and not logits.grad.any()
