"""A training that is broken off between any two steps, and gone on with as if it had not been."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest
import torch
from ignite.engine import Engine, Events
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.handlers import FinishedCheckpoint, ReceivedCheckpoint, TrainingState
from monai_tbkd.networks import ActivationMapNet, read_state_dict
from monai_tbkd.networks.checkpoint import read_record
from tests.conftest import open_bundle


class PulledPlugError(BaseException):
    """Nothing of the package catches it, as nothing catches SIGKILL."""


def trainer(phantoms: Path, root: Path) -> Callable[..., Path]:
    def run(folder: str, stage: str = "control", plug: int | None = None, **overrides: Any) -> Path:
        out = root / folder
        where = {"dataset_dir": str(phantoms), "ckpt_dir": str(out / "models"), "output_dir": str(out)}
        workflow = open_bundle(["train"], stage=stage, **{**where, "max_epochs": 3, **overrides})
        workflow.initialize()
        try:
            with pytest.MonkeyPatch.context() as patch:
                if plug is not None:
                    patch.setattr(TrainingState, "attach", _attach_with_plug(plug))
                workflow.run()
        except PulledPlugError:
            assert plug is not None
        finally:
            workflow.finalize()
        return out

    return run


@pytest.fixture
def train(phantoms: Path, tmp_path: Path) -> Callable[..., Path]:
    """Trains a stage into a folder; `plug` is pulled after so many steps."""
    return trainer(phantoms, tmp_path)


@pytest.fixture(scope="module")
def unbroken(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A control that was trained in one go."""
    return trainer(phantoms, tmp_path_factory.mktemp("unbroken"))("control")


def _pull() -> None:
    raise PulledPlugError


def _attach_with_plug(step: int) -> Callable[[TrainingState, Engine], None]:
    attach = TrainingState.attach

    def attach_both(self: TrainingState, engine: Engine) -> None:
        attach(self, engine)
        engine.add_event_handler(Events.ITERATION_COMPLETED(once=step), _pull)

    return attach_both


def curves(folder: Path) -> list[tuple[str, int, float]]:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return [(tag, e.step, e.value) for tag in sorted(found.Tags()["scalars"]) for e in found.Scalars(tag)]


def same_weights(one: Path, other: Path) -> bool:
    first, second = read_state_dict(one), read_state_dict(other)
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.bundle
@pytest.mark.parametrize(("workers", "steps"), [(0, (3, 5)), (1, (3,))])
def test_broken_off_it_ends_as_an_unbroken_one(
    train: Callable[..., Path], unbroken: Path, workers: int, steps: tuple[int, ...]
) -> None:
    unbroken = train("unbroken", num_workers=workers) if workers else unbroken
    for step in steps:  # of 2 steps each: in the second epoch, and in the third
        out = train("broken", plug=step, num_workers=workers)
        assert (out / "models" / "control.training.pt").is_file()
        assert not (out / "models" / "control.json").exists()
    train("broken", num_workers=workers)
    assert same_weights(unbroken / "models" / "control.pt", out / "models" / "control.pt")
    assert {p.name for p in (out / "models").iterdir()} == {p.name for p in (unbroken / "models").iterdir()}
    expected = curves(unbroken / "tensorboard" / "control")
    assert [step for tag, step, _ in expected if tag == "train/lr"] == [1, 2, 3, 4, 5, 6]
    assert curves(out / "tensorboard" / "control") == expected


@pytest.mark.bundle
def test_a_student_goes_on_with_its_teacher_and_its_target(train: Callable[..., Path], tmp_path: Path) -> None:
    steps = [{"_target_": "monai_tbkd.transforms.CloseByLabeld"}, {"_target_": "monai_tbkd.transforms.CenterMapd"}]
    target = {"_target_": "monai.transforms.Compose", "transforms": steps}
    shutil.copytree(train("unbroken", "teacher", max_epochs=1), tmp_path / "broken")
    unbroken = train("unbroken", "student", target=target)
    train("broken", "student", plug=4, target=target)
    out = train("broken", "student", target=target)
    assert same_weights(unbroken / "models" / "model.pt", out / "models" / "model.pt")
    assert curves(out / "tensorboard" / "student") == curves(unbroken / "tensorboard" / "student")


@pytest.mark.bundle
def test_other_changes_of_the_images_and_other_terms_are_other_settings(train: Callable[..., Path]) -> None:
    mirror = {"_target_": "monai_tbkd.transforms.RandMirrorImaged", "keys": "image", "prob": 0.5}
    plain = {"_target_": "monai_tbkd.transforms.PlainImaged", "keys": "image"}
    own = {"max_epochs": 2, "train::random_transforms": [plain, mirror]}
    train("broken", plug=3, **own)
    changes = {
        "random_transforms": {"train::random_transforms": [plain, {**mirror, "prob": 0.4}]},
        "label_terms": {"label_terms::label::weight": 0.5},
        "network_def": {"network_def::last_stage": "layer3"},
    }
    for name, changed in changes.items():
        with pytest.raises(RuntimeError) as refused:
            train("broken", **own | changed)
        assert name in str(plain_cause(refused.value))
    train("broken", **own)


@pytest.mark.bundle
def test_killed_when_all_epochs_are_over_it_only_writes_its_checkpoint(
    train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("monai_tbkd.handlers.training_state.write_checkpoint", lambda *_: _pull())
    out = train("broken", plug=99)
    monkeypatch.undo()
    caplog.clear()
    train("broken")
    assert "Going on after epoch 3 of 3" in caplog.text
    assert "Epoch[3] Complete" not in caplog.text
    assert (out / "models" / "control.json").is_file()
    assert not (out / "models" / "control.training.pt").exists()


@pytest.mark.bundle
def test_killed_while_the_state_is_written_the_state_before_counts(
    train: Callable[..., Path], unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = torch.save

    def half(state: Any, file: BinaryIO) -> None:
        whole(state, file)
        if state.get("epoch") == 2:
            file.truncate(1000)
            raise PulledPlugError

    monkeypatch.setattr(torch, "save", half)
    out = train("broken", plug=99)
    monkeypatch.undo()
    assert torch.load(out / "models" / "control.training.pt", weights_only=True)["epoch"] == 1
    train("broken")
    assert same_weights(unbroken / "models" / "control.pt", out / "models" / "control.pt")


@pytest.mark.bundle
def test_what_was_left_by_another_training_is_refused_with_a_sentence(train: Callable[..., Path]) -> None:
    out = train("broken", plug=3)
    state = out / "models" / "control.training.pt"
    left = state.read_bytes()
    with pytest.raises(RuntimeError) as caught:
        train("broken", learning_rate=0.5)
    message = str(plain_cause(caught.value))
    assert "learning_rate 0.001 (here 0.5)" in message
    assert "--resume false" in message
    assert "\n" not in message
    assert state.read_bytes() == left

    state.write_bytes(left[:2000])
    with pytest.raises(RuntimeError) as caught:
        train("broken")
    assert "can't be read" in str(plain_cause(caught.value))
    torch.save({"w": torch.zeros(1)}, state)
    with pytest.raises(RuntimeError) as caught:
        train("broken")
    assert "is not the state of an unfinished training" in str(plain_cause(caught.value))

    train("broken", learning_rate=0.5, resume=False)  # anew
    assert not state.exists()
    assert [step for tag, step, _ in curves(out / "tensorboard" / "control") if tag == "train/lr"] == [1, 2, 3, 4, 5, 6]


def test_a_state_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    network = torch.nn.Linear(1, 1)
    optimizer = torch.optim.AdamW(network.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
    handler = TrainingState(tmp_path / "model.pt", parts, {})
    torch.save({"settings": Evil()}, handler.path)
    with pytest.raises(ValueError, match="can't be read"):
        handler._read(None)
    assert not (tmp_path / "ran").exists()


def test_every_part_goes_on_as_it_was(tmp_path: Path) -> None:
    def engine_of(weight: float) -> tuple[SimpleNamespace, dict[str, Any]]:
        network = torch.nn.Linear(1, 1)
        torch.nn.init.constant_(network.weight, weight)
        optimizer = torch.optim.SGD(network.parameters(), lr=1.0, momentum=0.9)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
        state = SimpleNamespace(epoch=2, iteration=6, epoch_length=3, max_epochs=5)
        loader = torch.utils.data.DataLoader([0])
        parts = {"network": network, "optimizer": optimizer, "schedule": schedule, "counts": Counts()}
        return SimpleNamespace(state=state, scaler=None, data_loader=loader), parts

    class Counts:
        number = 0

        def state_dict(self) -> dict[str, int]:
            return {"number": self.number}

        def load_state_dict(self, state: dict[str, int]) -> None:
            self.number = state["number"]

    engine, parts = engine_of(1.0)
    parts["network"](torch.ones(1, 1)).sum().backward()
    parts["optimizer"].step()
    parts["schedule"].step()
    parts["counts"].number = 7
    handler = TrainingState(tmp_path / "model.pt", parts, {"seed": 0})
    handler.write(engine)

    other, empty = engine_of(5.0)
    other.state.epoch = other.state.iteration = 0
    TrainingState(tmp_path / "model.pt", empty, {"seed": 0}, resume=False).go_on(other)
    assert other.state.epoch == 0 and empty["network"].weight.item() == 5
    TrainingState(tmp_path / "model.pt", empty, {"seed": 0}).go_on(other)
    assert (other.state.epoch, other.state.iteration) == (2, 6)
    assert empty["network"].weight.item() == parts["network"].weight.item() == 0
    assert empty["optimizer"].param_groups[0]["lr"] == 0.5
    assert empty["schedule"].last_epoch == 1 and empty["counts"].number == 7
    (momentum,) = (s["momentum_buffer"] for p, s in empty["optimizer"].state.items() if p is empty["network"].weight)
    assert momentum.item() == 1
    with pytest.raises(ValueError, match=r"other settings: seed 0 \(here 1\)"):
        TrainingState(tmp_path / "model.pt", empty, {"seed": 1}).go_on(other)

    handler.remove(engine)
    assert handler.path.is_file()  # of five epochs two are over
    engine.state.epoch = 5
    handler.remove(engine)
    assert not handler.path.exists()


def engine_with(path: Path) -> Engine:
    engine = Engine(lambda engine, batch: None)
    FinishedCheckpoint(ActivationMapNet("resnet18", width=0.125), path, {"seed": 7}).attach(engine)
    return engine


def test_written_after_the_last_epoch(tmp_path: Path) -> None:
    path = tmp_path / "models" / "teacher.pt"
    engine_with(path).run([0, 1], max_epochs=3)
    record = read_record(path)
    assert record is not None
    assert (record["epochs"], record["seed"]) == (3, 7)
    assert record["architecture"]["backbone"] == "resnet18"


def test_not_written_when_stopped_before(tmp_path: Path) -> None:
    engine = engine_with(tmp_path / "teacher.pt")
    engine.add_event_handler(Events.EPOCH_COMPLETED(once=1), engine.terminate)
    engine.run([0, 1], max_epochs=3)
    assert not list(tmp_path.iterdir())


def evaluate(network: ActivationMapNet, path: Path, trained_epochs: int) -> None:
    """As MonaiAlgo runs an evaluator: with the number of the epoch that would come next."""
    engine = Engine(lambda engine, batch: None)
    ReceivedCheckpoint(network, path, epochs=4, record={"seed": 7}).attach(engine)
    engine.state.epoch = trained_epochs  # the engine adds one as it starts
    engine.state.epoch_length, engine.state.iteration = 1, trained_epochs
    engine.run([0], max_epochs=trained_epochs + 1)


def test_written_after_the_last_round_and_not_before(tmp_path: Path) -> None:
    network, path = ActivationMapNet("resnet18", width=0.125), tmp_path / "models" / "model.pt"
    evaluate(network, path, trained_epochs=2)
    assert not path.parent.exists()
    evaluate(network, path, trained_epochs=4)
    record = read_record(path)
    assert record is not None
    assert (record["epochs"], record["seed"]) == (4, 7)
    written = torch.load(path, weights_only=True)
    assert all(torch.equal(written[name], value) for name, value in network.state_dict().items())
