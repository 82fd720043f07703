from __future__ import annotations

from pathlib import Path

from ignite.engine import Engine, Events

from monai_tbkd.handlers import FinishedCheckpoint
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
