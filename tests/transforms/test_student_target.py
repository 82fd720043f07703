from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose

from monai_tbkd.losses import UNKNOWN_LABEL, CellDistillationLoss
from monai_tbkd.networks import class_log_odds
from monai_tbkd.transforms import AddLungPriord, CenterMapd, CloseByLabeld, SmoothMapd
from monai_tbkd.transforms.frozen_features import LUNG_FIELD
from monai_tbkd.transforms.student_target import TEACHER_MAP


def of(maps: torch.Tensor, **more: Any) -> dict[str, Any]:
    return {TEACHER_MAP: maps, **more}


def random_maps(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


# ---------------------------------------------------------------- smoothing


def test_smoothing_by_hand() -> None:
    point = torch.zeros(1, 1, 17, 17)
    point[..., 8, 8] = 1.0
    found = SmoothMapd(sigma=1.0)(of(point))[TEACHER_MAP][0, 0]
    # MONAI's Gaussian is integrated over each cell
    weight = [0.5 * (math.erf((d + 0.5) / math.sqrt(2)) - math.erf((d - 0.5) / math.sqrt(2))) for d in range(3)]
    assert found[8, 8].item() == pytest.approx(weight[0] ** 2, rel=1e-3)
    assert found[8, 10].item() == pytest.approx(weight[0] * weight[2], rel=1e-3)
    assert found[7, 9].item() == pytest.approx(weight[1] ** 2, rel=1e-3)
    assert found.sum().item() == pytest.approx(1.0, abs=1e-3)


def test_smoothing_keeps_levels_up_to_the_edge_and_each_class_apart() -> None:
    maps = torch.tensor([-3.0, 2.0]).reshape(1, 2, 1, 1).expand(2, 2, 5, 7)
    torch.testing.assert_close(SmoothMapd(2.0)(of(maps))[TEACHER_MAP], maps, atol=1e-3, rtol=0)
    maps = random_maps(2, 1, 6, 6)
    assert SmoothMapd(1.0)(of(maps))[TEACHER_MAP].std() < 0.5 * maps.std()
    assert SmoothMapd(0.0)(of(maps))[TEACHER_MAP] is maps


def test_a_little_smoothing_keeps_the_size() -> None:
    maps = random_maps(2, 1, 6, 6)
    torch.testing.assert_close(SmoothMapd(0.1)(of(maps))[TEACHER_MAP], maps, atol=1e-3, rtol=0)


# ---------------------------------------------------------------- location prior


def test_prior_by_hand() -> None:
    field = torch.full((1, 1, 32, 32), 255, dtype=torch.uint8)
    prior = AddLungPriord(margin=0.0).prior(field, (4, 4))[0, 0]
    # cell i looks at pixel 8 i: half way between rows 8 i - 1 and 8 i, where the weight is 1 - 8 i / 32; at the upper
    # edge, which has no row above it, row 0 alone, which is more than 0.95
    expected = torch.logit(torch.tensor([0.95, 0.75, 0.5, 0.25]))
    torch.testing.assert_close(prior, expected[:, None].expand(4, 4), atol=1e-5, rtol=0)


def test_prior_lies_right_where_the_size_is_no_multiple_of_the_stride() -> None:
    # 200 pixels at a stride of 16 are 13 cells, which look at pixels 0 to 192: at quarters 0 to 48 of 50
    field = torch.zeros(1, 1, 50, 50, dtype=torch.uint8)
    field[..., 40:] = 255
    row = AddLungPriord(margin=0.0).prior(field, (13, 13))[0, 0, 1]
    assert (row[:10] < -4).all() and (row[11:] > 2).all()  # cell 10 looks at quarter 40, the edge
    assert abs(float(torch.sigmoid(row[10])) - 0.5 * (1 - 4 / 50)) < 0.01


def test_images_without_a_lung_field_are_told_from_a_fault() -> None:
    with pytest.raises(ValueError, match="no lung field: set lung_crop to true"):
        AddLungPriord()(of(random_maps(1, 1, 4, 4)))


def test_prior_is_low_beside_the_lungs_and_lies_where_they_lie() -> None:
    field = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    field[0, :, :, :12], field[1, :, :, 20:] = 255, 255
    prior = AddLungPriord().prior(field, (8, 8))
    assert torch.equal(prior[0, 0, :, 6:], torch.full((8, 2), math.log(0.01 / 0.99)))
    assert torch.equal(prior[1, 0, :, :2], torch.full((8, 2), math.log(0.01 / 0.99)))
    assert (prior[0, 0, :6, :2] > -2.5).all() and (prior[1, 0, :6, 6:] > -2.5).all()
    assert (prior[0, 0, 1:6, 0].diff() < 0).all()  # from apex to base
    assert prior.max() <= math.log(0.95 / 0.05) + 1e-6


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_prior_is_added_to_the_log_odds_of_tb(classes: int) -> None:
    maps, field = random_maps(2, classes, 4, 4), torch.full((2, 1, 16, 16), 200, dtype=torch.uint8)
    step = AddLungPriord(weight=0.5)
    found = step(of(maps, **{LUNG_FIELD: field}))[TEACHER_MAP]
    torch.testing.assert_close(class_log_odds(found), class_log_odds(maps) + 0.5 * step.prior(field, (4, 4)))
    assert AddLungPriord(weight=0.0)(of(maps))[TEACHER_MAP] is maps  # and needs no lung field


# ---------------------------------------------------------------- the label


def shares_of_tb(maps: torch.Tensor) -> torch.Tensor:
    return class_log_odds(maps).sigmoid()[:, 0]


def test_an_image_without_tb_has_none_anywhere_whatever_the_teacher_says() -> None:
    maps = torch.full((4, 1, 2, 2), 5.0)
    for label in (torch.tensor([0, 1, UNKNOWN_LABEL, 0]), torch.tensor([[0], [1], [UNKNOWN_LABEL], [0]])):
        found = CloseByLabeld()(of(maps, label=label))[TEACHER_MAP]
        assert torch.equal(found[1:3], maps[1:3])  # an image whose label is not known keeps the teacher's word
        assert (shares_of_tb(found)[[0, 3]] < 1e-30).all()
    assert CloseByLabeld()(of(maps, label=np.array([0, 1, 1, 1])))[TEACHER_MAP][0].max() < -90


@pytest.mark.parametrize(("columns", "left"), [(4, 2), (6, 3), (5, 3)])
def test_labels_of_halves_close_a_half(columns: int, left: int) -> None:
    maps, label = torch.full((4, 1, 2, columns), 5.0), torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]])
    is_open = CloseByLabeld()(of(maps, label=label))[TEACHER_MAP][:, 0] > 0
    for row, (one, other) in enumerate(label.tolist()):
        assert is_open[row, :, :left].all() == bool(one) and is_open[row, :, :left].any() == bool(one)
        assert is_open[row, :, left:].all() == bool(other) and is_open[row, :, left:].any() == bool(other)


def test_with_three_classes_the_teacher_still_says_which_of_the_others() -> None:
    teacher = torch.tensor([math.log(1), math.log(3), 8.0]).reshape(1, 3, 1, 1).expand(4, 3, 1, 1)
    found = CloseByLabeld()(of(teacher, label=torch.tensor([0, 1, 2, UNKNOWN_LABEL])))[TEACHER_MAP]
    for row in (0, 1):  # healthy, and sick but not TB
        torch.testing.assert_close(found[row].softmax(0).flatten(), torch.tensor([0.25, 0.75, 0.0]))
    assert torch.equal(found[2:], teacher[2:])


def test_a_student_of_closed_cells_is_taught_that_there_is_nothing() -> None:
    student, label = random_maps(2, 1, 4, 4).requires_grad_(True), torch.tensor([0, 1])
    target = CloseByLabeld()(of(torch.full((2, 1, 4, 4), 5.0), label=label))[TEACHER_MAP]
    loss = CellDistillationLoss()(student, target)
    negative = torch.nn.functional.softplus(student[0]).mean()
    q = torch.tensor(5.0).sigmoid()
    positive = torch.nn.functional.binary_cross_entropy_with_logits(student[1], q.expand(1, 4, 4))
    entropy = -(q * q.log() + (1 - q) * (1 - q).log())
    torch.testing.assert_close(loss, (negative + positive - entropy) / 2)
    loss.backward()
    assert student.grad is not None and (student.grad[0] > 0).all()


# ---------------------------------------------------------------- the area


def test_threshold_by_hand() -> None:
    step = CenterMapd(area=0.3, sharpness=2.0)
    # ten cells of the whole image each: the 6 highest of 20 are three tenths
    first, second = torch.arange(10.0), torch.arange(10.0) + 0.5
    step.fit(torch.stack([first, second]).reshape(2, 1, 2, 5), torch.ones(2))
    assert step.threshold == 7.0
    found = step(of(torch.stack([first, second]).reshape(2, 1, 2, 5)))[TEACHER_MAP]
    assert found.flatten().tolist() == [2 * (v - 7.0) for v in (*first.tolist(), *second.tolist())]


def test_cells_count_by_the_area_of_the_image_that_they_cover() -> None:
    # a crop of half the image: all its cells are but a half of the area
    maps = torch.arange(10.0).reshape(1, 1, 2, 5)
    half, whole = CenterMapd(area=0.25), CenterMapd(area=0.5)
    half.fit(maps, torch.tensor([0.5]))
    whole.fit(maps, torch.tensor([1.0]))
    assert half.threshold == whole.threshold == 5.0
    most = CenterMapd(area=0.9)
    most.fit(maps, torch.tensor([0.5]))  # more than the crops have: all of them
    assert most.threshold == 0.0


@pytest.mark.parametrize("classes", [1, 3])
def test_the_share_of_area_is_what_was_asked_for(classes: int) -> None:
    g = torch.Generator().manual_seed(1)
    maps, fractions = torch.randn(40, classes, 12, 12, generator=g), 0.4 + 0.5 * torch.rand(40, generator=g)
    step = CenterMapd(area=0.1)
    step.fit(class_log_odds(maps), fractions)
    found = step(of(maps))[TEACHER_MAP]
    above = class_log_odds(found) > 0
    torch.testing.assert_close(found[:, :-1], maps[:, :-1])  # which of the other classes it is stays
    torch.testing.assert_close(class_log_odds(found), 2 * (class_log_odds(maps) - step.threshold))
    assert float((above.float().mean((1, 2, 3)) * fractions).mean()) == pytest.approx(0.1, abs=1e-3)


def test_what_is_refused() -> None:
    for area in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="expected a fraction between 0 and 1"):
            CenterMapd(area=area)
    with pytest.raises(ValueError, match="no threshold yet"):
        CenterMapd()(of(random_maps(1, 1, 2, 2)))


def test_the_whole_target_in_the_configs_order() -> None:
    steps = Compose([SmoothMapd(1.0), AddLungPriord(1.0), CloseByLabeld(), CenterMapd(0.1)])
    maps, field = random_maps(4, 1, 8, 8), torch.full((4, 1, 16, 16), 255, dtype=torch.uint8)
    data = of(maps, label=torch.tensor([1, 1, 1, 0]), **{LUNG_FIELD: field})
    placed = Compose(steps.transforms[:3])(data)[TEACHER_MAP]
    steps.transforms[3].fit(placed[:3], torch.ones(3))
    found = steps(data)[TEACHER_MAP]
    assert (found[:3] > 0).float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert (found[3] < -100).all()
    assert torch.equal(data[TEACHER_MAP], random_maps(4, 1, 8, 8))  # the teacher's own map is left as it is


def test_each_hospital_has_its_own_threshold() -> None:
    maps = torch.cat([random_maps(4, 1, 10, 10), random_maps(4, 1, 10, 10) + 5])
    sources = ["north"] * 4 + ["south"] * 4
    center = CenterMapd(area=0.1)
    center.fit(maps, torch.ones(8), sources)
    above = (center({**of(maps), "source": sources})[TEACHER_MAP] > 0).float().flatten(1).mean(dim=1)
    assert above[:4].mean().item() == pytest.approx(0.1, abs=0.01)
    assert above[4:].mean().item() == pytest.approx(0.1, abs=0.01)
    other = center({**of(maps[:1]), "source": ["elsewhere"]})[TEACHER_MAP]
    torch.testing.assert_close(other, center(of(maps[:1]))[TEACHER_MAP])  # the threshold of all
