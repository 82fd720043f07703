from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from monai_tbkd.engines.ablation_study import AblationStudy
from monai_tbkd.engines.localization_study import COLUMNS, LocalizationStudy
from tests.engines.test_localization_study import read

pytestmark = pytest.mark.bundle  # trainings of small heads
FILMS, FOLDS = 12, 3
TERMS = {"logits", "class_attention", "explanation", "logits_and_class_attention", "cells_and_label"}
POOLINGS = {"average", "top_k", "pcam", "noisy_or"}


@pytest.fixture(scope="module")
def items() -> list[dict[str, Any]]:
    boxes = ([[10, 10, 40, 50]], [[80, 20, 110, 60]], [[12, 30, 50, 60], [70, 20, 100, 50]])
    film = {"image": 0, "label": 1, "class_name": "tb", "box_types": None, "size": [128, 128]}
    return [{**film, "name": f"film{i}", "boxes": boxes[i % 3]} for i in range(FILMS)]


@pytest.fixture(scope="module")
def films() -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    return {
        "features": torch.randn(FILMS, 16, 5, 5, generator=chance),
        "lung_crop": torch.tensor([[0.05, 0.05, 0.95, 0.95]]).repeat(FILMS, 1),
        "lung_field": torch.ones(FILMS, 1, 20, 20),
        "asymmetry": torch.randn(FILMS, 2, generator=chance),
    }


@pytest.fixture(scope="module")
def fold(items: list[dict[str, Any]], films: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    study = AblationStudy(read("ablations", generations=1), items, films)
    train, select, _ = study.split(0, 0, FOLDS)
    return study.predictors(train, select, np.zeros((24, 24), dtype=np.float32), 0)[0]


def test_what_is_trained_for_each_change(fold: dict[str, np.ndarray]) -> None:
    students = {f"{name}_student" for name in TERMS | POOLINGS | {"no_teacher"}}
    others = {f"{name}_{which}" for name in POOLINGS for which in ("teacher", "control")}
    assert set(fold) == {"teacher", "control", "student"} | students | others
    different = [fold[name] for name in sorted(fold)]
    for i, one in enumerate(different):
        assert np.isfinite(one).all()
        assert not any(np.array_equal(one, other) for other in different[:i])


def test_what_has_no_part_in_a_change_is_the_studys_own(
    items: list[dict[str, Any]], films: dict[str, torch.Tensor], fold: dict[str, np.ndarray]
) -> None:
    study = LocalizationStudy(read("hemithorax", generations=1, box_free=False), items, films)
    train, select, _ = study.split(0, 0, FOLDS)
    maps, _ = study.predictors(train, select, np.zeros((24, 24), dtype=np.float32), 0)
    for name in ("teacher", "control", "student"):
        np.testing.assert_array_equal(maps[name], fold[name])


def test_rows(items: list[dict[str, Any]], films: dict[str, torch.Tensor]) -> None:
    config = read("ablations", generations=1, teacher_epochs=1, student_epochs=1, curves=False)
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in AblationStudy(config, items, films).run(0, 1, FOLDS)]
    scored = {r["predictor"] for r in rows if r["metric"] == "union_mask_iou" and r["boxes_chose"] == "processing"}
    assert {"student", "no_teacher_student", "average_control", "lung_prior", "shuffled_student"} <= scored
    assert len({(r["film"], r["predictor"], r["boxes_chose"], r["metric"]) for r in rows}) == len(rows)
    assert {r["metric"] for r in rows if r["film"]} == {"union_mask_iou", "pointing_game"}
    assert not {"pxap", "max_box_acc_v2"} & {r["metric"] for r in rows}
