from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from monai.transforms import Compose
from torch import nn

from monai_tbkd.engines import DistillationTrainer
from monai_tbkd.losses import (
    DistillationObjective,
)
from monai_tbkd.networks import ActivationMapNet, AverageMapPool
from monai_tbkd.transforms import CenterMapd, CloseByLabeld, NormalizeImage
from tests.losses.test_distillation_objective import LOSSES


def images(number: int = 4, **more: Any) -> Dataset:
    g = torch.Generator().manual_seed(0)
    return Dataset([{"image": torch.rand(3, 32, 32, generator=g), "label": i % 2, **more} for i in range(number)])


def net() -> ActivationMapNet:
    torch.manual_seed(0)
    return ActivationMapNet("resnet18", num_classes=2, width=0.125, last_stage="layer2", output_stride=8)


def trainer(data: Dataset, teacher: nn.Module | None = None, target: Any = None, **weights: float) -> Any:
    student = net()
    weights = weights or {"label": 1.0}
    terms = {name: {"loss": LOSSES[name](), "weight": weight} for name, weight in weights.items()}
    return DistillationTrainer(
        DistillationObjective(AverageMapPool(), terms),
        teacher,
        target,
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=DataLoader(data, batch_size=4),
        network=student,
        optimizer=torch.optim.SGD(student.parameters(), lr=0.1),
    )


def test_teacher_is_frozen_in_eval_mode_and_unchanged() -> None:
    teacher = net().train()
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    engine = trainer(images(), teacher, logits=1.0, map=1.0)
    engine.run()
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())  # batch-norm statistics too
    assert not any("teacher" in k for k in engine.network.state_dict())


def test_every_term_is_in_the_output_and_the_loss_is_their_sum() -> None:
    engine = trainer(images(), net(), label=0.5, logits=2.0, map=3.0)
    engine.run()
    out = engine.state.output[0]
    total = 0.5 * out["loss_label"] + 2.0 * out["loss_logits"] + 3.0 * out["loss_map"]
    assert float(out["loss"]) == pytest.approx(float(total), rel=1e-5)


def test_images_of_8_bits_train_as_what_the_network_takes_does() -> None:
    g = torch.Generator().manual_seed(0)
    kept = [{"image": torch.randint(0, 256, (1, 32, 32), generator=g, dtype=torch.uint8), "label": i} for i in (0, 1)]
    ready = [{**image, "image": NormalizeImage()(image["image"])} for image in kept]
    weights = []
    for data, to_network in ((kept, NormalizeImage()), (ready, None)):
        engine = trainer(Dataset(data), net(), logits=1.0, map=1.0)
        engine.to_network = to_network
        engine.run()
        weights.append(engine.network.state_dict())
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_the_student_learns_from_the_target_made_of_the_teachers_map() -> None:
    class Sure(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.tensor([0.0, 3.0]).reshape(1, 2, 1, 1).expand(len(image), 2, 4, 4)

    center = CenterMapd(sharpness=1.0)
    center.threshold = 1.0
    for target in (None, Compose([CloseByLabeld(), center])):
        engine = trainer(images(), Sure(), target, cells=1.0)
        before = engine.network(torch.stack([item["image"] for item in images()]))
        engine.run()
        q = torch.tensor(3.0).sigmoid() if target is None else torch.tensor(2.0).sigmoid()
        log_p = before.detach().log_softmax(1)
        entropy = -(q * q.log() + (1 - q) * (1 - q).log())
        positive = -(q * log_p[:, 1] + (1 - q) * log_p[:, 0]) - entropy
        negative = -log_p[:, 0] if target is not None else positive
        expected = torch.stack([(positive if i % 2 else negative)[i].mean() for i in range(4)]).mean()
        assert float(engine.state.output[0]["loss_cells"]) == pytest.approx(float(expected), rel=1e-3)


def test_logits_are_compared_with_the_teachers_own_whatever_the_target() -> None:
    losses = []
    for target in (None, CloseByLabeld()):
        engine = trainer(images(), net(), target, logits=1.0)
        with torch.no_grad():
            for parameter in engine.network.parameters():
                parameter.mul_(0.5)
        engine.run()
        losses.append(float(engine.state.output[0]["loss_logits"]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert 0 < losses[0] < 1


def test_boxes_reach_the_objective_where_a_term_compares_them() -> None:
    mask = torch.full((1, 32, 32), 255, dtype=torch.uint8)
    losses = {}
    for known in (1.0, 0.0):
        engine = trainer(images(box_mask=mask, boxes_known=known), boxes=1.0)
        engine.run()
        losses[known] = float(engine.state.output[0]["loss_boxes"])
    assert losses[1.0] > 0.1 and losses[0.0] == 0
    with pytest.raises(ValueError, match="The boxes term compares box_mask, which the batch does not bring"):
        trainer(images(), boxes=1.0).run()


def test_no_teacher_where_one_is_needed() -> None:
    with pytest.raises(ValueError, match="The objective compares with a teacher, but the trainer has none"):
        trainer(images(), None, map=1.0).run()
    trainer(images(), None).run()  # a teacher or a control needs none


def test_a_teacher_that_no_term_compares_with_is_not_asked() -> None:
    class Never(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            raise AssertionError("the teacher looked although nothing compares with it")

    trainer(images(), Never(), label=1.0, map=0.0).run()


def test_distillation_brings_the_student_to_the_teacher() -> None:
    teacher = net()
    with torch.no_grad():
        teacher.head.weight.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    engine = trainer(images(), teacher, logits=1.0, map=1.0)
    engine.state.max_epochs = 30
    losses = []
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: losses.append(float(engine.state.output[0]["loss"])))
    engine.run()
    assert losses[-1] < 0.3 * losses[0]
