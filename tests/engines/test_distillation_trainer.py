from __future__ import annotations

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from torch import nn

from monai_tbkd.engines import TEACHER_MAP, DistillationTrainer
from monai_tbkd.losses import (
    AttentionTransferLoss,
    CellDistillationLoss,
    DistillationObjective,
    ExplanationAgreementLoss,
    LabelLoss,
    LogitDistillationLoss,
    MapDistillationLoss,
)
from monai_tbkd.networks import ActivationMapNet, AverageMapPool
from monai_tbkd.transforms import NormalizeFilm


def films(number: int = 4, **more: torch.Tensor) -> Dataset:
    g = torch.Generator().manual_seed(0)
    return Dataset([{"image": torch.rand(3, 32, 32, generator=g), "label": i % 2, **more} for i in range(number)])


def net() -> ActivationMapNet:
    torch.manual_seed(0)
    return ActivationMapNet("resnet18", num_classes=2, width=0.125, last_stage="layer2", output_stride=8)


def trainer(data: Dataset, teacher: nn.Module | None = None, **weights: float) -> DistillationTrainer:
    student = net()
    objective = DistillationObjective(
        AverageMapPool(),
        LabelLoss(),
        LogitDistillationLoss(2.0),
        MapDistillationLoss(),
        CellDistillationLoss(),
        AttentionTransferLoss(["layer1", "layer2"]),
        ExplanationAgreementLoss(),
        **weights,
    )
    return DistillationTrainer(
        objective,
        teacher,
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=DataLoader(data, batch_size=4),
        network=student,
        optimizer=torch.optim.SGD(student.parameters(), lr=0.1),
    )


def test_teacher_is_frozen_in_eval_mode_and_unchanged() -> None:
    teacher = net().train()
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    engine = trainer(films(), teacher, logit_weight=1.0, map_weight=1.0)
    engine.run()
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())  # batch-norm statistics too
    assert not any("teacher" in k for k in engine.network.state_dict())


def test_every_term_is_in_the_output_and_the_loss_is_their_sum() -> None:
    engine = trainer(films(), net(), label_weight=0.5, logit_weight=2.0, map_weight=3.0)
    engine.run()
    out = engine.state.output[0]
    total = 0.5 * out["loss_label"] + 2.0 * out["loss_logits"] + 3.0 * out["loss_map"]
    assert float(out["loss"]) == pytest.approx(float(total), rel=1e-5)


def test_films_of_8_bits_train_as_what_the_network_takes_does() -> None:
    g = torch.Generator().manual_seed(0)
    kept = [{"image": torch.randint(0, 256, (1, 32, 32), generator=g, dtype=torch.uint8), "label": i} for i in (0, 1)]
    ready = [{**film, "image": NormalizeFilm()(film["image"])} for film in kept]
    weights = []
    for data, to_network in ((kept, NormalizeFilm()), (ready, None)):
        engine = trainer(Dataset(data), net(), logit_weight=1.0, map_weight=1.0)
        engine.to_network = to_network
        engine.run()
        weights.append(engine.network.state_dict())
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_a_map_in_the_batch_takes_the_place_of_the_teacher() -> None:
    class Never(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            raise AssertionError("the teacher looked although its maps were there")

    engine = trainer(films(**{TEACHER_MAP: torch.randn(2, 4, 4)}), Never(), map_weight=1.0)
    engine.run()
    assert "loss_map" in engine.state.output[0]


def test_no_teacher_where_one_is_needed() -> None:
    with pytest.raises(ValueError, match="give the trainer a teacher"):
        trainer(films(), None, map_weight=1.0).run()
    trainer(films(), None).run()  # a teacher or a control needs none


def test_distillation_brings_the_student_to_the_teacher() -> None:
    teacher = net()
    with torch.no_grad():
        teacher.head.weight.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    engine = trainer(films(), teacher, label_weight=0.0, logit_weight=1.0, map_weight=1.0)
    engine.state.max_epochs = 30
    losses = []
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: losses.append(float(engine.state.output[0]["loss"])))
    engine.run()
    assert losses[-1] < 0.3 * losses[0]


def test_features_of_both_networks_are_compared_and_no_hook_stays() -> None:
    engine = trainer(films(), net(), label_weight=0.0, attention_weight=1.0)
    hooks = []

    def count() -> None:
        modules = [*engine.network.modules(), *engine.teacher.modules()]
        hooks.append(sum(len(module._forward_hooks) for module in modules))

    engine.add_event_handler(Events.ITERATION_COMPLETED, count)
    engine.run()
    assert hooks == [0]
    # the same weights, but the student's batch norm takes the batch's statistics
    assert 0 < float(engine.state.output[0]["loss_attention"]) < 2


def test_attention_transfer_brings_the_features_together() -> None:
    teacher = net()
    torch.manual_seed(1)
    for module in teacher.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    engine = trainer(films(), teacher, label_weight=0.0, attention_weight=1.0)
    engine.state.max_epochs = 30
    losses = []
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: losses.append(float(engine.state.output[0]["loss"])))
    engine.run()
    assert losses[-1] < 0.7 * losses[0]


def test_without_the_attention_term_no_hook_is_ever_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a hook was set")

    engine = trainer(films(), net(), logit_weight=1.0, map_weight=1.0, cell_weight=1.0, explanation_weight=1.0)
    monkeypatch.setattr(nn.Module, "register_forward_hook", refuse)
    engine.run()
    assert {"loss_cells", "loss_explanation"} <= set(engine.state.output[0])


def test_cached_maps_have_no_features() -> None:
    with pytest.raises(ValueError, match="set cache_teacher to false"):
        trainer(films(**{TEACHER_MAP: torch.randn(2, 4, 4)}), None, attention_weight=1.0).run()
