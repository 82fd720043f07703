from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_tbkd.engines import (
    FinishedTeacher,
    describe_module,
    load_trained,
    refuse_later_generation,
    run_unless_finished,
    student_path,
    teacher_path,
    training_record,
    training_settings,
)
from monai_tbkd.networks import ActivationMapNet, AveragedNet, AverageMapPool, FrameMaskView, LogSumExpMapPool
from monai_tbkd.networks.checkpoint import write_checkpoint


class CountingTrainer:
    runs = 0

    def run(self) -> None:
        self.runs += 1


@pytest.fixture
def net() -> ActivationMapNet:
    return ActivationMapNet("resnet18", num_classes=1, width=0.125)


SETTINGS = {"image_size": 64, "epochs": 3}


def test_trains_once_and_not_again(net: ActivationMapNet, tmp_path: Path) -> None:
    trainer = CountingTrainer()
    run_unless_finished(trainer, net, tmp_path / "t.pt", SETTINGS)
    assert trainer.runs == 1
    write_checkpoint(net, tmp_path / "t.pt", {"epochs": 3, "settings": SETTINGS})
    run_unless_finished(trainer, net, tmp_path / "t.pt", SETTINGS)
    assert trainer.runs == 1


def test_teacher_of_other_settings_is_refused_by_name(net: ActivationMapNet, tmp_path: Path) -> None:
    write_checkpoint(net, tmp_path / "t.pt", {"epochs": 3, "settings": SETTINGS})
    with pytest.raises(ValueError, match=r"epochs 3 \(here 5\).*remove it"):
        run_unless_finished(CountingTrainer(), net, tmp_path / "t.pt", {**SETTINGS, "epochs": 5})


def test_finished_teacher_looks_through_its_view_and_is_frozen(net: ActivationMapNet, tmp_path: Path) -> None:
    write_checkpoint(net, tmp_path / "t.pt", {"epochs": 1})
    teacher = FinishedTeacher(ActivationMapNet("resnet18", 1, width=0.125), tmp_path / "t.pt", FrameMaskView(0.25))
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    film = torch.rand(1, 3, 64, 64)
    framed = film.clone()
    framed[..., :16, :] = 9.0  # what stands in the frame makes no difference
    assert torch.equal(teacher(film), teacher(framed))


def test_settings_know_films_and_pooling() -> None:
    films = {"train": [{"name": "a", "label": 0}, {"name": "b", "label": 1}]}
    one = training_settings(films, LogSumExpMapPool(2.0), seed=0)
    assert one["pooling"] == "LogSumExpMapPool(r=2.0)"
    assert one == training_settings({"train": films["train"][::-1]}, LogSumExpMapPool(2.0), seed=0)
    assert one != training_settings({"train": films["train"][:1]}, LogSumExpMapPool(2.0), seed=0)
    relabeled = {"train": [{**i, "label": 1} for i in films["train"]]}
    assert one != training_settings(relabeled, LogSumExpMapPool(2.0), seed=0)
    assert (
        describe_module(FrameMaskView(0.25)) == "FrameMaskView(top=0.25, right=0.25, bottom=0.25, left=0.25, fill=0.0)"
    )
    with pytest.raises(ValueError, match="epochs is 0"):
        training_settings(films, LogSumExpMapPool(2.0), epochs=0)


def test_inference_refuses_settings_under_which_scores_would_be_wrong(net: ActivationMapNet, tmp_path: Path) -> None:
    settings = {"image_size": 64, "pooling": "LogSumExpMapPool(r=2.0)"}
    write_checkpoint(net, tmp_path / "model.pt", {"epochs": 1, "settings": settings})
    load_trained(net, tmp_path / "model.pt", LogSumExpMapPool(2.0), 64)
    with pytest.raises(ValueError, match=r"image_size 64 \(here 128\).*AverageMapPool"):
        load_trained(net, tmp_path / "model.pt", AverageMapPool(), 128)
    (tmp_path / "model.json").unlink()  # a published model has no record
    load_trained(net, tmp_path / "model.pt", AverageMapPool(), 128)


def test_a_teacher_may_give_the_mean_of_several_looks(net: ActivationMapNet, tmp_path: Path) -> None:
    write_checkpoint(net, tmp_path / "t.pt", {"epochs": 1, "stage": "teacher"})
    own = ActivationMapNet("resnet18", 1, width=0.125)
    view = FrameMaskView(0.25)
    teacher = FinishedTeacher(own, tmp_path / "t.pt", view, output_stride=32, mirror=True, scales=[1.0, 1.5])
    film = torch.rand(1, 3, 64, 64)
    assert torch.equal(teacher(film), AveragedNet(own, 32, True, [1.0, 1.5])(view(film)))
    assert not teacher.training


def test_paths_of_generations() -> None:
    assert [student_path("m", g) for g in (1, 2, 3)] == ["m/model.pt", "m/model_2.pt", "m/model_3.pt"]
    assert [teacher_path("m", g) for g in (1, 2, 3)] == ["m/teacher.pt", "m/model.pt", "m/model_2.pt"]
    for bad in (0, 1.5, "2"):
        with pytest.raises(ValueError, match="whole number from 1 on"):
            student_path("m", bad)
    refuse_later_generation(1)
    with pytest.raises(ValueError, match="run_student"):
        refuse_later_generation(2)


def test_from_the_second_generation_on_the_teacher_is_a_student_without_a_view(
    net: ActivationMapNet, tmp_path: Path
) -> None:
    write_checkpoint(net, tmp_path / "model.pt", {"epochs": 1, "stage": "student"})
    write_checkpoint(net, tmp_path / "teacher.pt", {"epochs": 1, "stage": "teacher"})
    own, film = ActivationMapNet("resnet18", 1, width=0.125), torch.rand(1, 3, 64, 64)
    teacher = FinishedTeacher(own, tmp_path / "model.pt", FrameMaskView(0.25), generation=2)
    assert torch.equal(teacher(film), net.eval()(film))
    with pytest.raises(ValueError, match=r"is a student, and a teacher was expected.*--generation 2"):
        FinishedTeacher(own, tmp_path / "model.pt", FrameMaskView(0.25))
    with pytest.raises(ValueError, match="is a teacher, and a student was expected"):
        FinishedTeacher(own, tmp_path / "teacher.pt", generation=2)
    with pytest.raises(ValueError, match="is a student, and a teacher was expected"):
        run_unless_finished(CountingTrainer(), net, tmp_path / "model.pt", {})
    with pytest.raises(FileNotFoundError, match="no finished student"):
        FinishedTeacher(own, tmp_path / "model_2.pt", generation=3).load()


def test_a_teacher_that_has_yet_to_finish_is_asked_for_when_it_looks(net: ActivationMapNet, tmp_path: Path) -> None:
    own, film = ActivationMapNet("resnet18", 1, width=0.125), torch.rand(1, 3, 64, 64)
    teacher = FinishedTeacher(own, tmp_path / "teacher.pt")
    assert teacher.sha256 is None and all(p.requires_grad for p in own.parameters())  # it may be in training
    with pytest.raises(FileNotFoundError, match="no finished teacher"):
        teacher(film)
    record = write_checkpoint(net, tmp_path / "teacher.pt", {"epochs": 1, "stage": "teacher"})
    assert torch.equal(teacher(film), net.eval()(film))
    assert teacher.sha256 == record["sha256"] and not any(p.requires_grad for p in own.parameters())


def test_a_record_takes_settings_that_come_later() -> None:
    settings: dict[str, object] = {"seed": 0, "teacher_sha256": None}
    record = training_record("student", settings)
    settings.update(teacher_sha256="a1")
    assert record["settings"]["teacher_sha256"] == "a1"
