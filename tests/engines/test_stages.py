from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from monai_tbkd.engines.stages import (
    FinishedTeacher,
    finished_part,
    is_finished,
    stage_path,
    training_record,
    training_settings,
)
from monai_tbkd.networks import (
    ActivationMapNet,
    FeatureMapNet,
    FrameMaskView,
    LogSumExpMapPool,
    SymmetricMapNet,
    trained_part,
)
from monai_tbkd.networks.checkpoint import settings_that_differ, write_checkpoint

SETTINGS = {"image_size": 64, "max_epochs": 3}
IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def net() -> ActivationMapNet:
    torch.manual_seed(0)
    return ActivationMapNet("resnet18", num_classes=1, width=0.125)


def student() -> ActivationMapNet:
    torch.manual_seed(1)
    return ActivationMapNet("resnet18", num_classes=1, width=0.125)


def symmetric(seed: int = 0, components: int = 6, **options: Any) -> SymmetricMapNet:
    torch.manual_seed(seed)
    net = SymmetricMapNet("resnet18", components=components, hidden=8, width=0.125, **options)
    net.fit_components(torch.randn(60, net.reduce.in_channels, generator=torch.Generator().manual_seed(1)))
    return net


def test_paths_of_stages() -> None:
    paths = {stage: stage_path("m", stage) for stage in ("teacher", "student", "control", "all")}
    assert paths == {
        "teacher": "m/teacher.pt", "student": "m/model.pt", "control": "m/control.pt", "all": "m/model.pt"
    }  # fmt: skip
    with pytest.raises(ValueError, match="stage is 'pupil'; expected teacher, student, control, or all"):
        stage_path("m", "pupil")


# ---------------------------------------------------------------- what has finished


def test_a_stage_that_has_finished_under_these_settings_is_taken(
    net: ActivationMapNet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "teacher.pt"
    assert not is_finished(net, path, SETTINGS, "teacher")
    torch.save(net.state_dict(), path)  # weights alone, as a killed run may leave them
    assert not is_finished(net, path, SETTINGS, "teacher")
    assert "the teacher is trained anew" in caplog.text
    write_checkpoint(net, path, {"epochs": 3, "settings": SETTINGS, "stage": "teacher"})
    assert is_finished(net, path, SETTINGS, "teacher")
    assert "Taking the finished teacher" in caplog.text and "(3 epochs)" in caplog.text


def test_a_stage_of_other_settings_is_refused_by_name(net: ActivationMapNet, tmp_path: Path) -> None:
    path = tmp_path / "teacher.pt"
    write_checkpoint(net, path, {"epochs": 3, "settings": SETTINGS, "stage": "teacher"})
    with pytest.raises(ValueError, match=r"max_epochs 3 \(here 5\).*remove it"):
        is_finished(net, path, {**SETTINGS, "max_epochs": 5}, "teacher")
    with pytest.raises(ValueError, match="is a teacher, and a student was expected"):
        is_finished(net, path, SETTINGS, "student")
    with pytest.raises(ValueError, match="another architecture"):
        is_finished(symmetric(), path, SETTINGS, "teacher")


# ---------------------------------------------------------------- the teacher of a student


def test_a_finished_teacher_looks_through_its_view_and_is_frozen(net: ActivationMapNet, tmp_path: Path) -> None:
    record = write_checkpoint(net, tmp_path / "t.pt", {"epochs": 1, "stage": "teacher"})
    teacher = FinishedTeacher(tmp_path / "t.pt", student(), FrameMaskView(0.25))
    assert teacher.load() == record["sha256"]
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not any(module.training for module in teacher.network.modules())
    framed = IMAGE.clone()
    framed[..., :16, :] = 9.0  # what stands in the frame makes no difference
    assert torch.equal(teacher(IMAGE), teacher(framed))
    assert torch.equal(teacher(IMAGE), net.eval()(FrameMaskView(0.25)(IMAGE)))
    plain = FinishedTeacher(tmp_path / "t.pt", student())
    assert torch.equal(plain(IMAGE), net(IMAGE))  # read with the first batch


def test_a_teacher_has_no_part_in_the_student(net: ActivationMapNet, tmp_path: Path) -> None:
    write_checkpoint(net, tmp_path / "t.pt", {"epochs": 1, "stage": "teacher"})
    own = student()
    before = {key: value.clone() for key, value in own.state_dict().items()}
    teacher = FinishedTeacher(tmp_path / "t.pt", own)
    teacher(IMAGE)
    assert all(torch.equal(value, before[key]) for key, value in own.state_dict().items())
    assert all(p.requires_grad for p in own.parameters())
    assert not {id(p) for p in teacher.parameters()} & {id(p) for p in own.parameters()}


def test_a_teacher_that_has_yet_to_finish_is_asked_for_when_it_looks(net: ActivationMapNet, tmp_path: Path) -> None:
    teacher = FinishedTeacher(tmp_path / "teacher.pt", student())
    with pytest.raises(FileNotFoundError, match="no finished teacher"):
        teacher(IMAGE)
    write_checkpoint(net, tmp_path / "teacher.pt", {"epochs": 1, "stage": "teacher"})
    assert torch.equal(teacher(IMAGE), net.eval()(IMAGE))
    net.head.bias.data += 1
    write_checkpoint(net, tmp_path / "teacher.pt", {"epochs": 1, "stage": "teacher"})
    teacher.load()  # as it is now
    assert torch.equal(teacher(IMAGE), net(IMAGE))


def test_a_teacher_of_other_images_or_another_stage_is_refused(net: ActivationMapNet, tmp_path: Path) -> None:
    settings = {"image_size": 64, "train_sha256": "a", "max_epochs": 3}
    write_checkpoint(net, tmp_path / "t.pt", {"epochs": 1, "stage": "teacher", "settings": settings})
    here = {**settings, "max_epochs": 30}  # a student may be trained longer
    FinishedTeacher(tmp_path / "t.pt", student(), settings=here).load()
    with pytest.raises(ValueError, match=r"train_sha256 'a' \(here 'b'\)"):
        FinishedTeacher(tmp_path / "t.pt", student(), settings={**here, "train_sha256": "b"}).load()
    write_checkpoint(net, tmp_path / "model.pt", {"epochs": 1, "stage": "student"})
    with pytest.raises(ValueError, match="is a student, and a teacher was expected"):
        FinishedTeacher(tmp_path / "model.pt", student()).load()


def test_a_teacher_of_another_architecture(tmp_path: Path) -> None:
    other = ActivationMapNet("resnet18", num_classes=1, width=0.25, output_stride=16)
    write_checkpoint(other, tmp_path / "t.pt", {"epochs": 1, "stage": "teacher"})
    assert torch.equal(FinishedTeacher(tmp_path / "t.pt", student())(IMAGE), other.eval()(IMAGE))


# ---------------------------------------------------------------- on kept features


def test_a_teacher_of_kept_features_takes_the_students_batches(tmp_path: Path) -> None:
    teacher, own = symmetric(convolutions=0).eval(), symmetric()
    write_checkpoint(teacher, tmp_path / "t.pt", {"epochs": 1, "stage": "teacher"})
    part = trained_part(own, True, 64)
    found = FinishedTeacher(tmp_path / "t.pt", part)
    features = teacher.features(IMAGE)
    torch.testing.assert_close(found(features), teacher(IMAGE))
    assert isinstance(found.network, FeatureMapNet)
    torch.testing.assert_close(finished_part(tmp_path / "t.pt", own, "teacher")(IMAGE), teacher(IMAGE))


@pytest.mark.parametrize("other", [{"components": 5}, {"shifted": True}], ids=["fewer", "of other images"])
def test_a_teacher_of_other_components_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    shifted, teacher = other.pop("shifted", False), symmetric(**other)
    if shifted:
        with torch.no_grad():
            teacher.reduce.weight.mul_(1.01)
    write_checkpoint(teacher, tmp_path / "t.pt", {"epochs": 1, "stage": "teacher"})
    with pytest.raises(ValueError, match="trained on features with other components"):
        finished_part(tmp_path / "t.pt", trained_part(symmetric(), True, 64), "teacher")
    finished_part(tmp_path / "t.pt", symmetric(), "teacher")  # on images it has its own


def test_a_teacher_that_needs_images_is_refused_on_kept_features(net: ActivationMapNet, tmp_path: Path) -> None:
    write_checkpoint(net, tmp_path / "t.pt", {"epochs": 1, "stage": "teacher"})
    with pytest.raises(ValueError, match="set keep_features to false"):
        finished_part(tmp_path / "t.pt", trained_part(symmetric(), True, 64), "teacher")


# ---------------------------------------------------------------- settings and records


def test_settings_know_images_labels_and_pooling() -> None:
    images = {"train": [{"name": "a", "label": 0}, {"name": "b", "label": 1}]}

    def of(train: list[dict[str, Any]], **settings: Any) -> dict[str, Any]:
        return training_settings({"seed": 0, **settings}, {"train": train}, LogSumExpMapPool(2.0))

    one = of(images["train"])
    assert (one["seed"], one["train_images"], one["pooling"]) == (0, 2, "LogSumExpMapPool(r=2.0)")
    assert one == of(images["train"][::-1])
    assert one != of(images["train"][:1])
    assert one != of([{**item, "label": 1} for item in images["train"]])
    with pytest.raises(ValueError, match="max_epochs is 0; expected above 0"):
        of(images["train"], max_epochs=0)


def test_weights_are_known_by_their_content(tmp_path: Path) -> None:
    found = []
    for name, content in (("a.pt", b"1"), ("b.pt", b"1"), ("c.pt", b"2")):
        (tmp_path / name).write_bytes(content)
        settings = {"weights": str(tmp_path / name), "lung_weights": None}
        found.append(training_settings(settings, {"train": []}, nn.Identity()))
    assert found[0] == found[1] != found[2]
    assert "weights" not in found[0] and len(found[0]["weights_sha256"]) == 64
    assert training_settings({"weights": "random"}, {"train": []}, nn.Identity())["weights"] == "random"


def test_weights_that_are_no_longer_given_are_other_weights(tmp_path: Path) -> None:
    (tmp_path / "lungs.pt").write_bytes(b"1")
    given = {"weights": "random", "lung_weights": str(tmp_path / "lungs.pt")}
    with_lungs, without = (
        training_settings(each, {"train": []}, nn.Identity()) for each in (given, {**given, "lung_weights": None})
    )
    assert "lung_weights_sha256" in settings_that_differ(with_lungs, without)
    assert "lung_weights_sha256" in settings_that_differ(without, with_lungs)


def test_a_record_takes_settings_that_come_later() -> None:
    settings: dict[str, object] = {"seed": 0, "teacher_sha256": None}
    record = training_record("student", settings)
    settings.update(teacher_sha256="a1")
    assert record["settings"]["teacher_sha256"] == "a1"
    assert record["stage"] == "student"
