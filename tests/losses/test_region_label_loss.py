from __future__ import annotations

import pytest
import torch

from monai_tbkd.losses import RegionLabelLoss

FIELD = torch.full((1, 3, 1, 16, 16), 255, dtype=torch.uint8)


def own(columns: int = 8) -> torch.Tensor:
    """The whole image, then its left and its right columns."""
    parts = torch.zeros(1, 3, 1, 16, 16, dtype=torch.uint8)
    parts[:, 0], parts[:, 1, ..., :columns], parts[:, 2, ..., columns:] = 255, 255, 255
    return parts


def maps(copies: list[tuple[float, float]]) -> torch.Tensor:
    """Logits of the left and of the right columns of each copy."""
    found = torch.zeros(1, 3, 1, 4, 4)
    for i, (left, right) in enumerate(copies):
        found[:, i, ..., :2], found[:, i, ..., 2:] = left, right
    return found


def loss(copies: list[tuple[float, float]], label: int, parts: torch.Tensor | None = None) -> float:
    return float(RegionLabelLoss()(maps(copies), torch.tensor([label]), FIELD, own() if parts is None else parts))


def test_disease_belongs_where_the_own_region_is() -> None:
    at_the_lesion = loss([(5, -5), (5, -5), (-5, -5)], 1)  # on the left: gone where the right is kept
    anywhere = loss([(5, -5), (-5, 5), (-5, -5)], 1)  # answers in the pasted region
    assert at_the_lesion < 0.2 < anywhere


def test_image_without_tb_has_it_nowhere() -> None:
    assert loss([(-5, -5)] * 3, 0) < 0.05 < loss([(5, -5), (-5, -5), (-5, -5)], 0)


def test_without_pasted_regions_it_is_the_label_pooled_in_the_lungs() -> None:
    whole = torch.full_like(own(), 255)
    assert loss([(0, 0)] * 3, 1, whole) == pytest.approx(0.6931, abs=1e-3)
    lungs = FIELD.clone()
    lungs[..., 8:] = 0
    outside = RegionLabelLoss()(maps([(-5, 5)] * 3), torch.tensor([0]), lungs, whole)
    inside = RegionLabelLoss()(maps([(5, -5)] * 3), torch.tensor([0]), lungs, whole)
    assert float(outside) < float(inside)


def test_unknown_label_takes_no_part() -> None:
    both = torch.cat([maps([(3, 3)] * 3), maps([(-4, 2)] * 3)])
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
    assert float(RegionLabelLoss()(maps([(3, 3)] * 3), torch.tensor([-1]), FIELD, own())) == 0
