from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from monai_tbkd.data import image_labels
from monai_tbkd.engines.feature_training import keep_features
from monai_tbkd.engines.localization_study import COLUMNS
from monai_tbkd.engines.shortcut_study import AS_TRAINED, TRAIN, TURNED, ShortcutStudy, phantom_items
from tests.engines.test_localization_study import SMALL, read

pytestmark = pytest.mark.bundle  # trainings of small heads
COUNTS = {"n_train": {"health": 3, "tb": 5}, "n_val": {"health": 3, "tb": 3}}


def small(**changes: Any) -> ConfigParser:
    return read("shortcut", **{**SMALL, "film_size": 96, "select": 2, "generations": 1, **changes})


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    recipe = {**small()["phantoms"], **COUNTS, "size": 96}
    return phantom_items(tmp_path_factory.mktemp("phantoms"), recipe)


@pytest.fixture(scope="module")
def films(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    config = small()
    torch.manual_seed(0)
    network, data = config.get_parsed_content("backbone"), image_labels(items)
    keys = ("lung_crop", "lung_field", "asymmetry")
    features, other = keep_features(
        network, data, config.get_parsed_content("preprocessing"), fit_films=6, cells=20, keys=keys
    )
    frameless, _ = keep_features(network, data, config.get_parsed_content("teacher_preprocessing"))
    return {"features": features, "teacher_features": frameless, **other}


def test_test_films_come_twice_with_other_cues(items: list[dict[str, Any]]) -> None:
    parts = {part: [i for i in items if i["part"] == part] for part in (TRAIN, TURNED, AS_TRAINED)}
    assert [len(films) for films in parts.values()] == [8, 6, 6]
    for turned, kept in zip(parts[TURNED], parts[AS_TRAINED], strict=True):
        assert (turned["name"], turned["boxes"]) == (kept["name"], kept["boxes"])
        assert turned["image"] != kept["image"]
    marked = {part: {label: np.mean([bool(i["cues"]) for i in parts[part] if i["label"] == label]) for label in (0, 1)}
              for part in (TURNED, AS_TRAINED)}  # fmt: skip
    assert marked[AS_TRAINED][1] > marked[AS_TRAINED][0]
    assert marked[TURNED][1] < marked[TURNED][0]


def test_the_whole_film_is_in_view(films: dict[str, torch.Tensor]) -> None:
    assert films["lung_crop"].tolist() == [[0.0, 0.0, 1.0, 1.0]] * 20
    assert not torch.equal(films["features"], films["teacher_features"])


def test_lungs_in_view(items: list[dict[str, Any]]) -> None:
    transform = small(view="lungs").get_parsed_content("preprocessing")
    x0, y0, x1, y1 = transform(dict(image_labels(items)[0]))["lung_crop"].tolist()
    assert 0.4 < x1 - x0 < 0.98 and 0.3 < y1 - y0 < 0.98


def test_a_run(items: list[dict[str, Any]], films: dict[str, torch.Tensor]) -> None:
    study = ShortcutStudy(small(), items, films)
    train, select, test = study.split(0, 0, 1)
    assert {items[i]["part"] for i in [*train, *select]} == {TRAIN}
    assert len(train) == 6 and len(select) == 2 and not set(train) & set(select)
    assert {(items[i]["part"], items[i]["label"]) for i in test} == {(TURNED, 1)}
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in study.run(0, 0, 1)]
    assert len({(r["film"], r["predictor"], r["boxes_chose"], r["metric"]) for r in rows}) == len(rows)
    assert {r["film"] for r in rows} - {""} == {items[i]["name"] for i in test}
    students = {"student", "frameless_student", "frameless_no_label_student", "no_teacher_student"}
    maps = {"teacher", "control", "frameless_teacher", *students}
    for metric in ("turned_auc", "as_trained_auc", "cue_pointing"):
        assert {r["predictor"] for r in rows if r["metric"] == metric} == maps, metric
    scored = {r["predictor"] for r in rows if r["metric"] == "union_mask_iou"}
    assert scored == maps | {f"shuffled_{name}" for name in students} | {"lung_prior", "blind_prior", "whole_film"}
    assert {r["predictor"] for r in rows if r["metric"] == "as_trained_union_mask_iou"} == maps | {"lung_prior"}
    for row in rows:
        if row["metric"] not in ("smoothing", "factor", "threshold", "prior", "half_labels_films"):
            assert 0 <= row["value"] <= 1, row


def test_labels_close_the_targets_of_all_students_but_one(
    items: list[dict[str, Any]], films: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    gates: list[np.ndarray] = []
    distilled = ShortcutStudy._distilled

    def watched(self: ShortcutStudy, logits: np.ndarray, taught: Any, *rest: Any) -> torch.nn.Module:
        gates.append(taught.gate)
        return distilled(self, logits, taught, *rest)

    monkeypatch.setattr(ShortcutStudy, "_distilled", watched)
    study = ShortcutStudy(small(teacher_epochs=1, student_epochs=1), items, films)
    train, select, _ = study.split(0, 0, 1)
    maps, _ = study.predictors(train, select, np.zeros((24, 24), dtype=np.float32), 0)
    by_label = [[item["label"]] * 2 for item in items]
    assert [gate.tolist() == by_label for gate in gates] == [True, True, True, False]
    assert gates[-1].all() and list(maps)[-1] == "frameless_no_label_student"


def test_how_much_lies_on_the_shortcut(items: list[dict[str, Any]], films: dict[str, torch.Tensor]) -> None:
    study = ShortcutStudy(small(), items, films)
    row = next(i for i, item in enumerate(items) if item["part"] == AS_TRAINED and item["label"] and item["cues"])
    study.cue_masks[row] = False
    study.cue_masks[row, :8, :8] = True  # a 16th of the film
    on, off = np.full((2, len(items), 24, 24), -20.0, dtype=np.float32)
    on[:, 1:5, 1:5] = off[:, 10:14, 10:14] = 5.0
    rows = study._cue_rows(0, 0, {"on": on, "off": off}, np.array([row]))
    found = {(r[3], r[5]): r[6] for r in rows}
    assert found["on", "cue_energy"] > 0.99 and found["on", "cue_pointing"] == 1
    assert found["off", "cue_energy"] < 0.01 and found["off", "cue_pointing"] == 0
    assert found["whole_film", "cue_energy"] == 1 / 16
    assert found["whole_film", "cue_in_view"] == 1


def test_nothing_of_test_films_reaches_the_students(
    items: list[dict[str, Any]], films: dict[str, torch.Tensor]
) -> None:
    config = small(teacher_epochs=1, student_epochs=1)
    study = ShortcutStudy(config, items, films)
    train, select, _ = study.split(0, 0, 1)
    test = np.flatnonzero(study.part != TRAIN)
    others = {key: value.clone() for key, value in films.items()}
    for key in others:
        others[key][test] = films[key][int(train[0])]
    prior = np.zeros((24, 24), dtype=np.float32)
    mine, _ = study.predictors(train, select, prior, 0)
    theirs, _ = ShortcutStudy(config, items, others).predictors(train, select, prior, 0)
    for name, maps in mine.items():
        rest = np.concatenate([train, select])
        np.testing.assert_array_equal(maps[rest], theirs[name][rest], err_msg=name)


def test_phantoms_are_made_once(items: list[dict[str, Any]]) -> None:
    folder = Path(items[0]["image"]).parents[3]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    assert phantom_items(folder, {**small()["phantoms"], **COUNTS, "size": 96}) == items
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")} == before
