from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from monai_tbkd.losses import UNKNOWN_LABEL, BalancedLabelLoss, BoxSupervisionLoss, LabelLoss, RegionLabelLoss


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


def test_images_without_a_label_take_no_part() -> None:
    logits = torch.tensor([[2.0], [-1.0], [5.0]], requires_grad=True)
    label = torch.tensor([1, 0, UNKNOWN_LABEL])
    loss = LabelLoss()
    assert float(loss(logits, label)) == pytest.approx(float(loss(logits[:2], label[:2])))
    none = loss(logits, torch.full((3,), UNKNOWN_LABEL))
    none.backward()
    assert float(none) == 0 and logits.grad is not None and not logits.grad.any()


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


def test_gradient_of_the_rare_answer_is_as_large() -> None:
    logits = torch.zeros(4, 1, requires_grad=True)
    BalancedLabelLoss()(logits, torch.tensor([1, 0, 0, 0])).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad[:, 0], torch.tensor([-1 / 4, 1 / 12, 1 / 12, 1 / 12]))


def test_another_number_of_labels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\) logits and \(2,\) labels"):
        BalancedLabelLoss()(torch.zeros(2, 2), torch.zeros(2))


FIELD = torch.full((1, 3, 1, 16, 16), 255, dtype=torch.uint8)


def own(columns: int = 8) -> torch.Tensor:
    """The whole image, then its left and its right columns."""
    parts = torch.zeros(1, 3, 1, 16, 16, dtype=torch.uint8)
    parts[:, 0], parts[:, 1, ..., :columns], parts[:, 2, ..., columns:] = 255, 255, 255
    return parts


def region_maps(copies: list[tuple[float, float]]) -> torch.Tensor:
    """Logits of the left and of the right columns of each copy."""
    found = torch.zeros(1, 3, 1, 4, 4)
    for i, (left, right) in enumerate(copies):
        found[:, i, ..., :2], found[:, i, ..., 2:] = left, right
    return found


def region_loss(copies: list[tuple[float, float]], label: int, parts: torch.Tensor | None = None) -> float:
    return float(
        RegionLabelLoss()(region_maps(copies), torch.tensor([label]), FIELD, own() if parts is None else parts)
    )


def test_disease_belongs_where_the_own_region_is() -> None:
    at_the_lesion = region_loss([(5, -5), (5, -5), (-5, -5)], 1)  # on the left: gone where the right is kept
    anywhere = region_loss([(5, -5), (-5, 5), (-5, -5)], 1)  # answers in the pasted region
    assert at_the_lesion < 0.2 < anywhere


def test_image_without_tb_has_it_nowhere() -> None:
    assert region_loss([(-5, -5)] * 3, 0) < 0.05 < region_loss([(5, -5), (-5, -5), (-5, -5)], 0)


def test_without_pasted_regions_it_is_the_label_pooled_in_the_lungs() -> None:
    whole = torch.full_like(own(), 255)
    assert region_loss([(0, 0)] * 3, 1, whole) == pytest.approx(0.6931, abs=1e-3)
    lungs = FIELD.clone()
    lungs[..., 8:] = 0
    outside = RegionLabelLoss()(region_maps([(-5, 5)] * 3), torch.tensor([0]), lungs, whole)
    inside = RegionLabelLoss()(region_maps([(5, -5)] * 3), torch.tensor([0]), lungs, whole)
    assert float(outside) < float(inside)


def test_unknown_label_takes_no_part() -> None:
    both = torch.cat([region_maps([(3, 3)] * 3), region_maps([(-4, 2)] * 3)])
    labels, fields, parts = torch.tensor([1, -1]), FIELD.expand(2, -1, -1, -1, -1), own().expand(2, -1, -1, -1, -1)
    alone = RegionLabelLoss()(both[:1], labels[:1], FIELD, own())
    assert float(RegionLabelLoss()(both, labels, fields, parts)) == pytest.approx(float(alone))


def test_three_classes_tell_the_others_apart() -> None:
    maps_of_sick = torch.zeros(1, 3, 3, 4, 4)
    maps_of_sick[:, :, 1] = 6
    whole = torch.full_like(own(), 255)
    right, wrong = (RegionLabelLoss()(maps_of_sick, torch.tensor([label]), FIELD, whole) for label in (1, 0))
    assert float(right) < 0.1 < float(wrong)


def test_batch_without_a_known_label_gives_zero() -> None:
    assert float(RegionLabelLoss()(region_maps([(3, 3)] * 3), torch.tensor([-1]), FIELD, own())) == 0


def test_value_by_hand() -> None:
    maps = torch.tensor([[[[0.0, 2.0], [0.0, -1.0]]]])
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 0:2, 2:6] = 1
    softplus = lambda z: math.log1p(math.exp(z))  # noqa: E731
    expected = (2 * softplus(0.0) + softplus(-2.0) + softplus(-1.0)) / 4
    assert float(BoxSupervisionLoss()(maps, mask)) == pytest.approx(expected, abs=1e-6)


def test_one_logit_equals_two() -> None:
    one = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    mask = (torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(1)) > 0.7).float()
    loss = BoxSupervisionLoss()
    assert float(loss(one, mask)) == pytest.approx(float(loss(torch.cat([torch.zeros_like(one), one], 1), mask)))


def test_images_whose_boxes_are_unknown_take_no_part() -> None:
    maps = torch.randn(2, 1, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = torch.zeros(2, 1, 8, 8)
    mask[1] = torch.nan
    loss = BoxSupervisionLoss()
    assert float(loss(maps, mask)) == pytest.approx(float(loss(maps[:1], mask[:1])))
    alone = loss(maps[1:], mask[1:])
    alone.backward()
    assert float(alone.detach()) == 0 and maps.grad is not None and not maps.grad.any()


def test_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="Box masks"):
        BoxSupervisionLoss()(torch.zeros(2, 1, 2, 2), torch.zeros(1, 1, 8, 8))
