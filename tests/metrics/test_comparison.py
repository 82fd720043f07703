from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from monai_tbkd.metrics import Comparison, Predictions, location_prior, table
from monai_tbkd.metrics.bootstrap import bootstrap_mean
from monai_tbkd.metrics.calibration import fit_temperature, score_logits
from monai_tbkd.transforms import image_box_mask

GRID = 32


def item(name: str, class_name: str, boxes: list | None) -> dict[str, Any]:
    return {"name": name, "class_name": class_name, "boxes": boxes, "size": [64, 64]}


def images(prefix: str, number: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    out = []
    for i in range(number):
        x, y = 2 * rng.integers(0, 20, 2)  # on the cells of the grid
        out.append(item(f"{prefix}{i}", "tb", [[int(x), int(y), int(x) + 20, int(y) + 16]]))
        out.append(item(f"{prefix}h{i}", "health", []))
    return out


def compare(test: list[dict[str, Any]]) -> Comparison:
    made = Comparison(images("t", 8, 0), images("s", 5, 1), test, grid=GRID, resamples=50)
    made.blind = {"blind_prior": made.blind["blind_prior"]}  # the other baselines are measured alike
    return made


@pytest.fixture
def comparison() -> Comparison:
    return compare(images("r", 12, 2))


def perfect(items: list[dict[str, Any]], noise: float = 0.0) -> Predictions:
    rng = np.random.default_rng(0)
    maps = np.stack([image_box_mask(i, GRID) for i in items]) * 0.8 + 0.1
    maps = np.clip(maps + rng.normal(0, noise, maps.shape), 0, 1) if noise else maps
    return Predictions(maps, np.array([0.9 if i["class_name"] == "tb" else 0.2 for i in items]))


def test_perfect_maps_score_one_and_are_above_the_prior(comparison: Comparison) -> None:
    student = {s: perfect(comparison.items[s]) for s in ("select", "test")}
    result = comparison.run({"student": student})
    row = result["predictors"]["student"]
    for metric in ("union_mask_miou", "box_union_miou", "best_box_iou", "pointing_game", "auc"):
        assert row[metric]["value"] == pytest.approx(1.0), metric
    assert row["false_boxes_per_image_without_tb"]["value"] == 0.0
    assert row["above_blind_prior"]
    assert row["union_mask_miou"]["n"] == 12
    assert 0.2 < row["operating_point"]["score_threshold"] < 0.9
    assert "above_blind_prior" not in result["predictors"]["blind_prior"]
    json.dumps(result, allow_nan=False)
    assert re.search(r"^student +1\.000 \[1\.000, 1\.000\]", table(result), re.M)


def test_maps_of_other_images_are_not_above_the_prior_and_the_table_says_so(comparison: Comparison) -> None:
    student = {}
    for split in ("select", "test"):
        right = perfect(comparison.items[split])
        student[split] = Predictions(np.roll(right.maps, 2, axis=0), right.scores)
    result = comparison.run({"student": student})
    assert not result["predictors"]["student"]["above_blind_prior"]
    assert "NOT above the blind prior" in table(result)


def test_differences_are_paired(comparison: Comparison) -> None:
    by_split = {s: perfect(comparison.items[s], noise=0.05) for s in ("select", "test")}
    result = comparison.run({"student": by_split, "control": by_split})
    assert result["predictors"]["student"]["union_mask_miou_minus"]["control"] == {
        "value": 0.0,
        "low": 0.0,
        "high": 0.0,
        "n": 12,
    }


def test_thresholds_come_from_the_selection_split_alone(comparison: Comparison) -> None:
    select = perfect(comparison.items["select"])
    shifted = perfect(comparison.items["test"])
    low = Predictions(shifted.maps * 0.1, shifted.scores * 0.1)  # the threshold of select lies above all of it
    row = comparison.run({"student": {"select": select, "test": low}})["predictors"]["student"]
    assert row["union_mask_miou"]["value"] == 0.0
    assert row["operating_point"]["map_threshold"] == pytest.approx(0.9)


def test_unknown_boxes_take_no_part() -> None:
    test = [*images("r", 5, 2), item("unknown", "tb", None)]
    comparison = Comparison(images("t", 5, 0), images("s", 5, 1), test, grid=GRID, resamples=50)
    student = {s: perfect(comparison.items[s]) for s in ("select", "test")}
    row = comparison.run({"student": student})["predictors"]["student"]
    assert row["union_mask_miou"]["n"] == 5
    assert row["auc"]["n"] == 11


def test_an_image_in_both_splits_is_refused() -> None:
    train, select = images("t", 3, 0), images("s", 3, 1)
    with pytest.raises(ValueError, match=r"6 images are in the selection split and in the reported one"):
        Comparison(train, select, select, grid=GRID)


def without_boxes(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**each, "boxes": None if each["class_name"] == "tb" else []} for each in items]


def test_without_boxes_the_scores_of_images_are_left() -> None:
    select, test = images("s", 10, 1), without_boxes(images("r", 20, 2))
    comparison = Comparison(images("t", 8, 0), select, test, grid=GRID, resamples=50)
    predictions = {split: perfect(items) for split, items in comparison.items.items()}
    result = comparison.run({"student": predictions})
    (row,) = result["predictors"].values()
    assert result["left_out"] == ["No reported image has boxes or outlines of lesions: localization is left out."]
    assert row["auc"]["value"] == 1.0
    assert not {"union_mask_miou", "ap", "groups", "above_blind_prior", "union_mask_miou_minus"} & set(row)
    assert row["operating_point"]["map_threshold"] == pytest.approx(0.9)  # by the boxes of the selection split
    text = table(result)
    assert "localization is left out" in text and "union-mask mIoU  minus" not in text


def test_without_boxes_to_choose_by_the_threshold_needs_none() -> None:
    select, train = without_boxes(images("s", 10, 1)), without_boxes(images("t", 8, 0))
    comparison = Comparison(train, select, images("r", 20, 2), grid=GRID, resamples=50)
    predictions = {
        split: perfect(images("s", 10, 1) if split == "select" else items, 0.02)
        for split, items in comparison.items.items()
    }
    result = comparison.run({"student": predictions})
    row = result["predictors"]["student"]
    assert "no box used" in row["operating_point"]["chosen_on"]
    assert comparison.settings["selection"] == "fraction"
    assert len(result["left_out"]) == 2 and "blind_prior" not in result["predictors"]
    # boxes have 0.08 of the area, as is taken
    assert row["union_mask_miou"]["value"] > 0.9 and "above_blind_prior" not in row
    assert "mean_map" in row["union_mask_miou_minus"]


def test_numbers_by_hospital_at_thresholds_of_other_images() -> None:
    select = images("s", 10, 1)
    here, there = ([{**each, "source": name} for each in images(name, 10, 2)] for name in ("here", "there"))
    comparison = Comparison(images("t", 8, 0), select, here + without_boxes(there), grid=GRID, resamples=50)
    # In the other hospital all scores are 0.3 higher: as good an AUC, and no specificity.
    student = {"select": perfect(select), "test": perfect(here + there)}
    student["test"].scores[20:] = np.minimum(student["test"].scores[20:] + 0.4, 1.0)
    result = comparison.run({"student": student})
    row = result["predictors"]["student"]
    found = row["sources"]
    assert [found[name]["auc"]["value"] for name in ("here", "there")] == [1.0, 1.0]
    point = row["operating_point"]["score_threshold"]
    assert [found[name]["at_threshold"]["operating_point"]["threshold"] for name in found] == [point, point]
    assert [found[name]["at_threshold"]["operating_point"]["specificity"]["value"] for name in found] == [1.0, 0.0]
    assert row["at_threshold"]["operating_point"]["specificity"]["value"] == 0.5
    assert row["at_threshold"]["specificity_70"]["sensitivity"]["n"] == 20
    assert found["here"]["union_mask_miou"]["n"] == 10 and "union_mask_miou" not in found["there"]
    assert (found["there"]["images"], found["there"]["tb_images"]) == (20, 10)
    assert [line.split()[:2] for line in table(result).splitlines()[-2:]] == [["here", "student"], ["there", "student"]]


def test_a_share_that_is_one_on_every_image_is_not_certain(comparison: Comparison) -> None:
    student = {s: perfect(comparison.items[s]) for s in ("select", "test")}
    row = comparison.run({"student": student})["predictors"]["student"]
    # Wilson's interval of 12 of 12 and of 0 of 12
    assert row["pointing_game"] == {"value": 1.0, "low": pytest.approx(0.757506, abs=1e-5), "high": 1.0, "n": 12}
    false = row["images_without_tb_with_false_box"]
    assert (false["value"], false["low"], false["n"]) == (0.0, 0.0, 12)
    assert false["high"] == pytest.approx(0.242494, abs=1e-5)


def test_the_temperature_is_fitted_on_the_selection_split(comparison: Comparison) -> None:
    rng = np.random.default_rng(3)
    student = {}
    for split, sharpness in (("select", 4.0), ("test", 0.5)):
        tb = comparison.truth[split].tb
        scores = 1 / (1 + np.exp(-sharpness * (np.where(tb, 1.0, -1.0) + rng.normal(0, 1.2, len(tb)))))
        student[split] = Predictions(perfect(comparison.items[split]).maps, scores)
    found = comparison.run({"student": student})["predictors"]["student"]["calibration"]["temperature_scaling"]
    expected = fit_temperature(score_logits(student["select"].scores), comparison.truth["select"].tb)
    assert found["temperature"] == pytest.approx(expected.temperature)
    assert found["n"] == len(comparison.items["select"])
    given = {"student": {"map_threshold": 0.5, "score_threshold": 0.5, "mode": "absolute", "chosen_on": "given"}}
    alone = comparison.run({"student": {"test": student["test"]}}, given)["predictors"]["student"]
    assert alone["calibration"]["temperature_scaling"] is None
    assert alone["operating_point"] == given["student"]


def test_the_blind_prior_knows_the_training_images_alone() -> None:
    train, select, test = images("t", 3, 0), images("s", 5, 1), images("r", 9, 2)
    blind = Comparison(train, select, test, grid=GRID).blind["blind_prior"]
    for split in ("select", "test"):
        assert (blind[split] == location_prior(train, GRID)).all()


def test_shuffled_maps_are_the_students_own_on_other_images(comparison: Comparison) -> None:
    by_split = {s: perfect(items) for s, items in comparison.items.items()}
    found = comparison.run({"student": by_split})["predictors"]
    shuffled = comparison.measured["shuffled_maps"]
    own = comparison.measured["student"].maps
    assert not np.array_equal(shuffled.maps, own)
    assert {m.tobytes() for m in shuffled.maps} == {m.tobytes() for m in own}
    assert shuffled.scores is None and found["shuffled_maps"]["blind"]
    assert found["shuffled_maps"]["union_mask_miou"]["value"] < 0.5 < found["student"]["union_mask_miou"]["value"]
    again = comparison.run({"student": by_split})["predictors"]
    assert again["shuffled_maps"] == found["shuffled_maps"]


def test_an_adaptive_threshold_serves_images_of_another_level() -> None:
    select, test = images("s", 5, 1), images("r", 12, 2)
    maps = perfect(test, 0.02)
    odds = maps.maps / (1 - maps.maps)
    lower = maps._replace(maps=odds / (odds + np.exp(3.5)))  # all log-odds less 3.5
    found = {}
    for mode in ("absolute", "adaptive"):
        comparison = Comparison(images("t", 8, 0), select, test, GRID, mode, resamples=50)
        point = {"map_threshold": 0.5, "score_threshold": 0.5, "mode": mode, "chosen_on": "given"}
        row = comparison.run({"student": {"test": lower}}, {"student": point})["predictors"]["student"]
        found[mode] = row["box_union_miou"]["value"]
    assert found["absolute"] == 0.0
    assert found["adaptive"] > 0.9


def test_boxes_are_ranked_as_they_are_served() -> None:
    test = images("r", 12, 2)
    point = {"map_threshold": 0.5, "score_threshold": 0.0, "chosen_on": "given"}
    for mode in ("absolute", "relative", "adaptive"):
        comparison = Comparison(images("t", 8, 0), images("s", 5, 1), test, GRID, mode, resamples=0)
        predictions = perfect(test, 0.02)._replace(maps=perfect(test, 0.02).maps ** 4)
        comparison.run({"student": {"test": predictions}}, {"student": {**point, "mode": mode}})
        found = comparison.measured["student"]
        draw = comparison.box_fitting(point)
        for i, (boxes, ranks) in enumerate(found.ranked):
            served = draw(torch.from_numpy(predictions.maps[i])[None])
            np.testing.assert_array_equal(found.boxes[i], served.boxes.numpy())
            np.testing.assert_array_equal(boxes, served.boxes.numpy())
            np.testing.assert_allclose(ranks, served.scores.numpy() * predictions.scores[i], rtol=1e-6)


def test_a_patient_in_both_splits_is_refused() -> None:
    select, test = images("s", 3, 1), images("r", 3, 2)
    select[0]["patient_id"] = test[0]["patient_id"] = "secret-id"
    with pytest.raises(ValueError, match="1 patients are in the selection split") as caught:
        Comparison(images("t", 3, 0), select, test, grid=GRID)
    assert "secret-id" not in str(caught.value)


def test_differences_are_over_patients() -> None:
    test = images("r", 12, 2)
    for number, each in enumerate(test):
        each["patient_id"] = f"p{number // 8}"
    comparison = compare(test)
    by_split = {s: perfect(comparison.items[s], noise=0.3) for s in ("select", "test")}
    found = comparison.run({"student": by_split})["predictors"]["student"]["union_mask_miou_minus"]["blind_prior"]
    one, other = (comparison.measured[name].union_mask_iou for name in ("student", "blind_prior"))
    patients = [each["patient_id"] for each in test]
    assert found == bootstrap_mean(one - other, 50, groups=patients).as_dict()
    assert found != bootstrap_mean(one - other, 50).as_dict()


def test_differences_of_auc_are_paired(comparison: Comparison) -> None:
    rng = np.random.default_rng(0)
    by_split = {s: Predictions(perfect(i).maps, rng.random(len(i))) for s, i in comparison.items.items()}
    found = comparison.run({"student": by_split, "control": by_split})["predictors"]["student"]["auc_minus"]["control"]
    assert (found["value"], found["low"], found["high"]) == (0.0, 0.0, 0.0)


def test_groups_of_lesions_keep_the_images_of_a_patient_together() -> None:
    test = images("r", 4, 2)
    for number, each in enumerate(test):
        each["patient_id"] = "ab"[number % 4 // 2]
    made = compare(test)
    right = perfect(made.items["test"])
    # each patient has one image with a perfect map and one with an empty one: every resample has the mean 0.5
    for i in (0, 2):
        right.maps[i] = 0.1
    by_split = {"select": perfect(made.items["select"]), "test": right}
    found = made.run({"student": by_split})["predictors"]["student"]["groups"]["count"]
    assert found["1"]["union_mask_miou"] == {"value": 0.5, "low": 0.5, "high": 0.5, "n": 4}
    assert found["1"]["best_box_iou"] == pytest.approx({"value": 0.5, "low": 0.5, "high": 0.5, "n": 4})
    assert found["3+"]["best_box_iou"] == {"value": None, "low": None, "high": None, "n": 0}
