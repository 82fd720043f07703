"""Further terms, schedules, generations and styles through ``monai.bundle``, with small numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_tbkd.networks import read_state_dict
from monai_tbkd.packaging.plain_errors import plain_cause


def scalars(folder: Path, name: str) -> list[float]:
    accumulator = EventAccumulator(str(folder / "out" / "tensorboard" / "student"), size_guidance={"scalars": 0})
    accumulator.Reload()
    return [event.value for event in accumulator.Scalars(name)]


def test_every_term_with_a_schedule_a_averaged_teacher_and_borrowed_styles(taught: Callable, tmp_path: Path) -> None:
    workflow = taught(
        max_epochs=3,
        cell_weight=1.0,
        explanation_weight=0.5,
        term_schedules={
            "map": {"start": 2.0, "end": 0.0, "kind": "linear"},
            "temperature": {"start": 4.0, "end": 1.0, "kind": "cosine"},
        },
        teacher_scales=[1.0, 1.5],
        teacher_mirror="true",
        histogram_swap=0.5,
        spectrum_swap=0.5,
        random_blur=0.5,
        frame_crop=0.5,
    )
    steps = len(scalars(tmp_path, "train/loss/total"))
    for term in ("label", "logits", "cells", "explanation"):
        assert len(scalars(tmp_path, f"train/loss/{term}")) == steps
    assert len(scalars(tmp_path, "train/loss/map")) == steps * 2 // 3  # none in the last epoch
    objective = workflow.parser.get_parsed_content("objective")
    assert objective.weights["map"] == 0.0
    assert objective.logits.temperature == 1.0
    settings = json.loads((tmp_path / "models" / "model.json").read_text())["settings"]
    assert settings["cell_weight"] == 1.0
    assert settings["term_schedules"]["map"]["end"] == 0.0
    assert settings["teacher_scales"] == [1.0, 1.5]
    changes = workflow.parser.get_parsed_content("train::preprocessing").transforms
    assert len(changes) == 8


def test_attention_transfer(taught: Callable, tmp_path: Path) -> None:
    taught(max_epochs=1, attention_weight=1.0)
    assert min(scalars(tmp_path, "train/loss/attention")) > 0


def test_nothing_of_this_is_there_by_default(taught: Callable, tmp_path: Path) -> None:
    workflow = taught(max_epochs=1)
    assert len(workflow.parser.get_parsed_content("train::preprocessing").transforms) == 4
    with pytest.raises(KeyError):
        scalars(tmp_path, "train/loss/cells")


@pytest.mark.parametrize("pooling", ["ProbabilisticMapPool", "NoisyOrMapPool"])
def test_other_poolings_and_a_teacher_that_sees_the_lungs_alone(
    small_run: Callable, tmp_path: Path, pooling: str
) -> None:
    chosen = {"_target_": f"monai_tbkd.networks.{pooling}"}
    small_run(["train"], max_epochs=1, pooling=chosen, teacher_view={"_target_": "monai_tbkd.networks.LungFieldView"})
    teacher = json.loads((tmp_path / "models" / "teacher.json").read_text())["settings"]
    assert teacher["pooling"].startswith(pooling)
    assert teacher["view"].startswith("LungFieldView(lungs=ellipses")
    assert all(value == value for value in scalars(tmp_path, "train/loss/total"))  # no nan


@pytest.mark.usefixtures("undrawn")
def test_a_second_generation_learns_from_the_first_student(small_run: Callable, tmp_path: Path) -> None:
    # a teacher of another architecture than the students, which the second generation needs no word about
    small_run(["train"], max_epochs=1, teacher_width=0.25)
    models = tmp_path / "models"
    first = (models / "model.pt").read_bytes()
    small_run(["train"], stage="student", max_epochs=1, teacher_width=0.25, generation=2)
    assert (models / "model.pt").read_bytes() == first
    record, teacher = (json.loads((models / f"{n}.json").read_text()) for n in ("model_2", "model"))
    assert record["stage"] == "student"
    assert record["settings"]["generation"] == 2
    assert record["settings"]["teacher_sha256"] == teacher["sha256"]
    states = [read_state_dict(models / f"{n}.pt") for n in ("model", "model_2")]
    assert not torch.equal(states[0]["head.weight"], states[1]["head.weight"])
    small_run(["train"], stage="control", max_epochs=1)
    small_run(["train", "evaluate"], generation=2, max_epochs=1)
    result = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert {"teacher", "control", "student"} <= set(result["predictors"])


@pytest.mark.parametrize("run_id", ["run", "run_teacher"])
def test_the_first_student_is_not_trained_over_as_a_teacher(small_run: Callable, tmp_path: Path, run_id: str) -> None:
    with pytest.raises(Exception) as caught:
        small_run(["train"], run_id, max_epochs=1, generation=2)
    assert "take the run id run_student" in str(plain_cause(caught.value))
    assert not (tmp_path / "models").exists()
