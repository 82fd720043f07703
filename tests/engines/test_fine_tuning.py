from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from monai_tbkd.data.files.atomic_write import write_json
from monai_tbkd.engines import load_operating_point, release_model
from monai_tbkd.networks.checkpoint import file_sha256, read_record, write_checkpoint


def model(folder: Path, value: float, threshold: float) -> str:
    net = nn.Linear(1, 1)
    nn.init.constant_(net.weight, value)
    sha256 = str(write_checkpoint(net, folder / "model.pt", {"stage": "student"})["sha256"])
    point = {"map_threshold": threshold, "score_threshold": 0.5, "mode": "absolute", "chosen_on": str(threshold)}
    write_json(folder / "operating_point.json", {**point, "model_sha256": sha256})
    return sha256


def threshold(folder: Path) -> float:
    return float(load_operating_point(folder / "operating_point.json", folder / "model.pt")["map_threshold"])


def weight(folder: Path) -> float:
    return float(torch.load(folder / "model.pt", weights_only=True)["weight"])


def test_the_new_model_with_its_thresholds_and_its_record(tmp_path: Path) -> None:
    old = model(tmp_path / "served", 1.0, 0.1)
    new = model(tmp_path / "candidate", 2.0, 0.2)
    assert release_model(tmp_path / "candidate", tmp_path / "served") == new
    served = tmp_path / "served"
    assert (weight(served), threshold(served), read_record(served / "model.pt")["sha256"]) == (2.0, 0.2, new)
    previous = served / "previous"
    assert (weight(previous), threshold(previous), read_record(previous / "model.pt")["sha256"]) == (1.0, 0.1, old)
    third = model(tmp_path / "third", 3.0, 0.3)
    release_model(tmp_path / "third", served)
    content = json.loads((served / "operating_point.json").read_text())
    assert content["model_sha256"] == third and content["replaced"]["model_sha256"] == new
    assert "replaced" not in content["replaced"]


def test_killed_at_any_step_a_model_has_its_own_thresholds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model(tmp_path / "candidate", 2.0, 0.2)
    moves = os.replace
    steps = 0

    def until(stop: int) -> None:
        nonlocal steps
        steps = 0

        def move(source: object, target: object) -> None:
            nonlocal steps
            steps += 1
            if steps > stop:
                raise KeyboardInterrupt
            moves(source, target)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "replace", move)

    found = []
    for stop in range(7):
        served = tmp_path / f"served{stop}"
        model(served, 1.0, 0.1)
        until(stop)
        with contextlib.suppress(KeyboardInterrupt):
            release_model(tmp_path / "candidate", served)
        monkeypatch.setattr(os, "replace", moves)
        found.append((weight(served), threshold(served)))
    assert set(found) == {(1.0, 0.1), (2.0, 0.2)}  # never one model's weights with the other's thresholds
    assert found[-1] == (2.0, 0.2)


def test_what_is_no_finished_model_is_not_served(tmp_path: Path) -> None:
    model(tmp_path / "served", 1.0, 0.1)
    candidate = tmp_path / "candidate"
    model(candidate, 2.0, 0.2)
    before = file_sha256(tmp_path / "served" / "model.pt")
    point = json.loads((candidate / "operating_point.json").read_text())
    write_json(candidate / "operating_point.json", {**point, "model_sha256": "0" * 64})
    with pytest.raises(ValueError, match="the served model stays"):
        release_model(candidate, tmp_path / "served")
    (candidate / "model.json").unlink()
    with pytest.raises(ValueError, match="the served model stays"):
        release_model(candidate, tmp_path / "served")
    assert file_sha256(tmp_path / "served" / "model.pt") == before and not (tmp_path / "served" / "previous").exists()
