"""Terms of the loss and the student's target through ``monai.bundle``, with small numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.networks import read_state_dict

CELLS = {"weight": 1.0, "loss": {"_target_": "monai_tbkd.losses.CellDistillationLoss"}}
TARGET = {
    "_target_": "monai.transforms.Compose",
    "transforms": [
        {"_target_": "monai_tbkd.transforms.SmoothMapd", "sigma": 1.0},
        {"_target_": "monai_tbkd.transforms.CloseByLabeld"},
        {"_target_": "monai_tbkd.transforms.CenterMapd", "area": 0.1, "sharpness": 2.0},
    ],
}


def terms_of(folder: Path, stage: str = "student") -> dict[str, list[float]]:
    accumulator = EventAccumulator(str(folder / "out" / "tensorboard" / stage), size_guidance={"scalars": 0})
    accumulator.Reload()
    found = accumulator.Tags()["scalars"]
    return {
        name.removeprefix("train/loss/"): [event.value for event in accumulator.Scalars(name)]
        for name in found
        if name.startswith("train/loss/")
    }


def test_a_term_is_a_name_a_weight_and_a_loss(taught: Callable, tmp_path: Path) -> None:
    """Named terms come to those of the recipe, one of weight 0 is not computed, and the record has them."""
    taught(max_epochs=1, **{"student_terms::cells": CELLS, "student_terms::map::weight": 0.0})
    found = terms_of(tmp_path)
    assert set(found) == {"label", "logits", "cells", "total"}
    weights = {"label": 0.5, "logits": 0.5, "cells": 1.0}
    for step, total in enumerate(found["total"]):
        assert total == pytest.approx(sum(weights[name] * found[name][step] for name in weights), rel=1e-4)
    settings = json.loads((tmp_path / "models" / "model.json").read_text())["settings"]
    assert json.loads(settings["student_terms"])["cells"] == CELLS


def test_the_target_changes_what_the_student_learns(taught: Callable, tmp_path: Path) -> None:
    only_cells: dict[str, Any] = {"max_epochs": 1, "student_terms": {"cells": CELLS}}
    states = []
    for target in (None, TARGET):
        taught(**only_cells, target=target)
        states.append(read_state_dict(tmp_path / "models" / "model.pt")["head.weight"])
        assert set(terms_of(tmp_path)) == {"cells", "total"}
    assert not torch.allclose(*states)
    settings = json.loads((tmp_path / "models" / "model.json").read_text())["settings"]
    assert json.loads(settings["target"]) == TARGET


def test_a_control_has_no_terms_of_a_teacher(small_run: Callable, tmp_path: Path) -> None:
    workflow = small_run(["train"], stage="control", max_epochs=1)
    assert workflow.parser.get_parsed_content("stage") == "control"
    assert set(terms_of(tmp_path, "control")) == {"label", "total"}
    assert "teacher_sha256" not in json.loads((tmp_path / "models" / "control.json").read_text())["settings"]


def test_an_unknown_stage_is_named(small_run: Callable, tmp_path: Path) -> None:
    with pytest.raises(Exception) as caught:
        small_run(["train"], stage="pupil")
    assert "stage is 'pupil'; expected teacher, student, control" in str(plain_cause(caught.value))
    assert not (tmp_path / "models").exists()
