from __future__ import annotations

from pathlib import Path

import torch
from ignite.engine import Engine, Events

from monai_tbkd.handlers import FinishedCheckpoint, ReceivedCheckpoint
from monai_tbkd.networks import ActivationMapNet
from monai_tbkd.networks.checkpoint import read_record


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
