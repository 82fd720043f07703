from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

import monai_tbkd
import monai_tbkd.networks
from monai_tbkd.data.phantom import make_film
from monai_tbkd.engines.feature_training import keep_features
from monai_tbkd.engines.localization_study import COLUMNS, LocalizationStudy
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.bundle  # trainings of small heads
CONFIGS = REPOSITORY / "configs" / "study"
OWN = {"ablations": {"ablations"}, "shortcut": {"phantoms", "view", "teacher_margin", "teacher_preprocessing"}}
"""What a protocol has that the others have not."""
FILMS, FOLDS = 12, 3
SMALL = {
    "film_size": 128, "image_size": 80, "components": 8, "fit_films": 6, "select": 3, "grid": 32, "fine_grid": 24,
    "teachers": 1, "teacher_epochs": 2, "student_epochs": 2, "generations": 2, "batch_size": 4,
    "device": "$torch.device('cpu')", "backbone::backbone": "resnet18", "backbone::width": 0.25,
}  # fmt: skip


def read(protocol: str, **changes: Any) -> ConfigParser:
    config = ConfigParser(globals={"torch": torch, "monai_tbkd": monai_tbkd})
    config.read_config(list(dict.fromkeys([CONFIGS / "hemithorax.yaml", CONFIGS / f"{protocol}.yaml"])))
    config.update({**SMALL, **changes})
    return config


@pytest.fixture(scope="module")
def items() -> list[dict[str, Any]]:
    found = []
    for number in range(FILMS):
        film = make_film("tb", seed=(8, number), size=128)
        boxes = [list(lesion.box) for lesion in film.lesions]
        types = ["active"] * len(boxes)
        found.append({"name": f"film{number}", "image": number, "label": 1, "class_name": "tb", "boxes": boxes,
                      "box_types": types, "size": [128, 128]})  # fmt: skip
    return found


@pytest.fixture(scope="module")
def films(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    config = read("hemithorax")
    torch.manual_seed(0)
    steps = config.get_parsed_content("preprocessing").transforms[1:]  # all but reading a file

    def transform(item: dict[str, Any]) -> dict[str, Any]:
        film = make_film("tb", seed=(8, item["image"]), size=128).image
        data: dict[str, Any] = {"image": torch.from_numpy(film)[None].float()}
        for step in steps:
            data = step(data)
        return data

    network, keys = config.get_parsed_content("backbone"), ("lung_crop", "lung_field", "asymmetry")
    features, other = keep_features(network, items, transform, fit_films=6, cells=20, keys=keys)
    return {"features": features, **other}


@pytest.mark.parametrize(
    "protocol, side_labels", [("hemithorax", "boxes"), ("image_labels", "asymmetry"), ("image_labels", "evidence")]
)
def test_a_fold(protocol: str, side_labels: str, items: list[dict[str, Any]], films: dict[str, torch.Tensor]) -> None:
    config = read(protocol, side_labels=side_labels)
    study = LocalizationStudy(config, items, films)
    _, _, test = study.split(0, 1, FOLDS)
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in study.run(0, 1, FOLDS)]
    assert {(row["seed"], row["fold"]) for row in rows} == {(0, 1)}
    assert {row["film"] for row in rows} - {""} == {items[i]["name"] for i in test}
    assert len({(r["film"], r["predictor"], r["boxes_chose"], r["metric"]) for r in rows}) == len(rows)
    scored = {(r["predictor"], r["boxes_chose"]) for r in rows if r["boxes_chose"]}
    maps = {"teacher", "control", "student", "student_generation_2"}
    free = {"whole_film"}
    if protocol == "hemithorax":
        maps |= {"box_free_student"}
        free |= {"teacher", "control", "lung_prior", "box_free_student", "shuffled_box_free_student"}
    if side_labels == "evidence":
        maps |= {"evidence", "reader"}
    named = maps | {"lung_prior", "shuffled_student", "blind_prior"}
    assert scored == {(name, "processing") for name in named} | {(name, "nothing") for name in free}
    for predictor, how in scored:
        mine = [r for r in rows if (r["predictor"], r["boxes_chose"]) == (predictor, how)]
        for metric in ("union_mask_iou", "pointing_game"):
            assert len([r for r in mine if r["metric"] == metric and r["film"]]) == len(test)
        assert {"max_box_acc_v2", "pxap"} <= {r["metric"] for r in mine}
    facts = ("smoothing", "factor", "threshold", "prior", "half_labels_films")
    values = {r["metric"]: [] for r in rows}  # type: dict[str, list[float]]
    for row in rows:
        values[row["metric"]].append(float(row["value"]))
    for metric, numbers in values.items():
        if metric not in facts:
            assert all(
                0 <= x <= 1 or (math.isnan(x) and metric.endswith(("auc", "negative", "closed"))) for x in numbers
            ), metric
    assert {r["predictor"] for r in rows if r["metric"] == "half_auc"} == maps
    whole = [r["value"] for r in rows if r["predictor"] == "whole_film" and r["metric"] == "union_mask_iou"]
    assert whole == [round(float(study.truth.masks[i].mean()), 5) for i in test]


def test_each_film_is_tested_once_and_never_trains_then(
    items: list[dict[str, Any]], films: dict[str, torch.Tensor]
) -> None:
    study = LocalizationStudy(read("hemithorax"), items, films)
    tested: list[int] = []
    for fold in range(FOLDS):
        train, select, test = study.split(0, fold, FOLDS)
        assert len(select) == 3
        assert sorted([*train, *select, *test]) == list(range(FILMS))
        tested += test.tolist()
    assert sorted(tested) == list(range(FILMS))
    assert study.split(1, 0, FOLDS)[2].tolist() != study.split(0, 0, FOLDS)[2].tolist()


@pytest.mark.parametrize("protocol", ["hemithorax", "image_labels"])
def test_nothing_of_test_films_reaches_the_students(
    protocol: str, items: list[dict[str, Any]], films: dict[str, torch.Tensor]
) -> None:
    config = read(protocol, teacher_epochs=1, student_epochs=1)
    study = LocalizationStudy(config, items, films)
    train, select, test = study.split(0, 0, FOLDS)
    # other test films: their features, boxes and asymmetry are those of others
    other_items, other_films = list(items), {key: value.clone() for key, value in films.items()}
    for one, another in zip(test, train):
        other_items[one] = {**items[another], "name": items[one]["name"]}
        for key in films:
            other_films[key][one] = films[key][another]
    other = LocalizationStudy(config, other_items, other_films)
    prior = np.zeros((24, 24), dtype=np.float32)
    mine, facts = study.predictors(train, select, prior, 0)
    theirs, other_facts = other.predictors(train, select, prior, 0)
    rest = np.concatenate([train, select])
    assert facts == other_facts
    for name, maps in mine.items():
        np.testing.assert_array_equal(maps[rest], theirs[name][rest], err_msg=name)
        assert not np.array_equal(maps[test], theirs[name][test])


def test_side_auc_where_all_films_are_alike(items: list[dict[str, Any]], films: dict[str, torch.Tensor]) -> None:
    study, test = LocalizationStudy(read("hemithorax"), items, films), np.arange(4)
    logits = np.zeros((FILMS, 24, 24), dtype=np.float32)
    logits[:, 3:6, 3:6] = 5.0  # all on the left
    logits[1, :, :] = logits[1, :, ::-1]
    study.sides = np.tile([[1, 1]], (FILMS, 1))
    assert math.isnan(study._side_auc(logits, test, study.sides.sum(axis=1) == 1))  # all on both sides
    assert math.isnan(study._side_auc(logits, test, None))
    study.sides = np.tile([[1, 0]], (FILMS, 1))
    assert math.isnan(study._side_auc(logits, test, study.sides.sum(axis=1) == 1))  # all on one side
    assert study._side_auc(logits, test[[0, 2]], None) == 1.0
    study.sides[1] = [0, 1]
    assert study._side_auc(logits, test, study.sides.sum(axis=1) == 1) == 1.0


def test_a_half_without_disease_is_made_sure_of(items: list[dict[str, Any]], films: dict[str, torch.Tensor]) -> None:
    study = LocalizationStudy(read("hemithorax"), items, films)
    study.places = np.tile([[0.25, 0.0, 1.0, 1.0]], (FILMS, 1))  # the film's middle is at a third of the cut
    gate = np.tile([[1, 0]], (FILMS, 1))
    gated = study._gated(np.ones((FILMS, 24, 24), dtype=np.float32), gate)
    assert (gated[..., :8] == 1).all()
    assert (gated[..., 8:] == -6).all()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.stem)
def test_protocols_name_what_there_is(path: Path) -> None:
    config = read(path.stem)
    assert config["protocol"] == path.stem
    known = set(ConfigParser.load_config_file(CONFIGS / "hemithorax.yaml")) | OWN.get(path.stem, set())
    assert set(ConfigParser.load_config_file(path)) <= known
    for key in ("preprocessing", "label_objective", "cell_objective"):
        config.get_parsed_content(key)
    assert len(config.get_parsed_content("teacher_head")().context) == 0
    assert len(config.get_parsed_content("student_head")().context) == 2
