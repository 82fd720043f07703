from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from monai_tbkd.data.phantom import write_phantom_dataset
from monai_tbkd.metrics import Comparison
from monai_tbkd.robustness import ImagePredictor, RobustnessStudy, image_subset, refuse_cropped_images
from monai_tbkd.robustness.cues import insert_cue
from monai_tbkd.robustness.robustness_study import box_touches
from monai_tbkd.robustness.robustness_table import robustness_table
from tests.conftest import run_bundle

SIDE, GRID = 64, 16
RISE = float(torch.sigmoid(torch.tensor(4.0)) - torch.sigmoid(torch.tensor(-4.0)))  # of a score, from off to on


def image(name: str, tb: bool, letter: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    """A gray image; TB is a bright square at cells 6-10 of 16. As a datalist item and as an evaluated image."""
    image = torch.full((1, SIDE, SIDE), 100, dtype=torch.uint8)
    if tb:
        image[0, 24:40, 24:40] = 200
    if letter:
        image = insert_cue(image, "letter", name).image
    boxes = [[24, 24, 40, 40]] if tb else []
    item = {"name": name, "class_name": "tb" if tb else "health", "boxes": boxes, "size": [SIDE, SIDE]}
    return item, {"image": image, "name": name, "tb": np.array([int(tb)])}


def looks_at_the_lesion(image: torch.Tensor) -> torch.Tensor:
    bright = F.avg_pool2d(image, 4) > 150
    bright[..., :4, :] = bright[..., 12:, :] = bright[..., :4] = bright[..., 12:] = False
    return torch.where(bright, 4.0, -4.0)


def looks_at_the_letter(image: torch.Tensor) -> torch.Tensor:
    bright = F.max_pool2d(image, 4) > 140
    bright[..., 6:, :] = bright[..., 4:12] = False  # upper corners alone
    return torch.where(bright, 4.0, -4.0)


def postprocess(item: dict[str, Any]) -> dict[str, Any]:
    tb_map = torch.sigmoid(item["pred"])
    return {"tb_map": tb_map, "score": tb_map.max()}


def to_network(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "image": item["image"].float()}


def study(output_dir: Path | None = None, **options: Any) -> RobustnessStudy:
    # on the selection split the letter goes along with TB, on the reported one there is none
    select = [image(f"s{i}", i < 4, letter=i < 4) for i in range(8)]
    test = [image(f"t{i}", i < 6) for i in range(14)]
    comparison = Comparison(
        [image("train", True)[0]], [i for i, _ in select], [i for i, _ in test], grid=GRID, resamples=100
    )
    networks = {"student": looks_at_the_lesion, "control": looks_at_the_letter}
    levels = options.pop("corruption_levels", {"brightness": [1.0], "contrast": [0.01]})
    return RobustnessStudy(
        ImagePredictor(networks, to_network, postprocess, batch_size=5),
        comparison,
        {"select": [f for _, f in select], "test": [f for _, f in test]},
        levels,
        **{"severities": [1], "output_dir": output_dir, **options},
    )


def certain(value: float, n: int) -> dict[str, float]:
    return {"value": pytest.approx(value, abs=1e-6), "low": pytest.approx(value), "high": pytest.approx(value), "n": n}


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return study(cues_there={"letter": {"t0", "t13"}}).run()


def test_corruptions_by_hand(result: dict[str, Any]) -> None:
    student = result["networks"]["student"]
    assert student["clean"]["auc"]["value"] == student["clean"]["union_mask_miou"]["value"] == 1.0
    dimmer = student["corruptions"]["brightness"]
    assert dimmer["1"]["auc_drop"]["value"] == dimmer["1"]["union_mask_miou_drop"]["value"] == 0.0
    # without contrast there is no square left: chance, and nothing predicted
    flat = student["corruptions"]["contrast"]["1"]
    assert flat["auc"] == certain(0.5, 14)
    assert flat["auc_drop"] == certain(0.5, 14)
    assert flat["union_mask_miou_drop"] == certain(1.0, 6)
    assert flat["flips_to_not_tb"]["value"] == pytest.approx(6 / 14, abs=1e-6)
    assert flat["flips_to_tb"]["value"] == 0.0
    assert student["mean_relative_drop"] == {"auc": certain(0.25, 14), "union_mask_miou": certain(0.5, 6)}


def test_a_letter_moves_who_looks_at_letters_and_nobody_else(result: dict[str, Any]) -> None:
    student, control = (result["networks"][name]["cues"]["letter"] for name in ("student", "control"))
    assert control["score_change"] == certain(RISE, 12)  # two of 14 images bear one already
    assert control["score_change_tb"] == certain(RISE, 5)
    assert control["score_change_without_tb"] == certain(RISE, 7)
    assert control["flips_to_tb"] == certain(1.0, 12)
    assert control["boxes_on_cue"]["value"] == 1.0
    assert control["boxes_there_without"]["value"] is None  # no box on images that are not called TB
    assert control["energy_on_cue"]["value"] > 4 * control["energy_there_without"]["value"]
    assert student["score_change"] == certain(0.0, 12)
    assert student["flips_to_tb"]["value"] == student["flips_to_not_tb"]["value"] == 0.0
    assert student["boxes_on_cue"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 12}
    assert student["energy_gain"] == certain(0.0, 12)
    difference = result["differences"]["student minus control"]["cues"]["letter"]
    assert difference["score_change"] == certain(-RISE, 12)
    assert difference["energy_gain"]["high"] < 0


def test_energy_on_a_cue_by_hand(result: dict[str, Any]) -> None:
    # an image as the letter's network maps it: cells that are on where ink is, the others at sigmoid(-4)
    off = float(torch.sigmoid(torch.tensor(-4.0)))
    fractions = []
    for i in range(1, 13):
        item = image(f"t{i}", i < 6)[1]
        with_cue = insert_cue(item["image"], "letter", item["name"])
        on = torch.sigmoid(looks_at_the_letter(with_cue.image[None].float()))[0, 0]
        cells = with_cue.mask[0].reshape(16, 4, 16, 4).any(dim=3).any(dim=1)
        assert on.min() == pytest.approx(off)
        fractions.append(float(on[cells].sum() / on.sum()))
    found = result["networks"]["control"]["cues"]["letter"]["energy_on_cue"]
    assert found["value"] == pytest.approx(np.mean(fractions), abs=1e-5)


def test_without_lungs_nothing_is_left(result: dict[str, Any]) -> None:
    student = result["networks"]["student"]["occlusions"]
    for kind in ("lungs_blacked_out", "background_only", "frame_only"):
        assert student[kind]["auc"] == certain(0.5, 14)
        assert student[kind]["auc_minus_clean"] == certain(-0.5, 14)
    assert result["lungs"].startswith("stand-in")
    # on a thumbnail the square can be seen, on the frame nothing
    assert result["without_detail"]["auc"]["thumbnail"]["value"] == 1.0
    assert result["without_detail"]["auc"]["frame"]["value"] <= 0.5


def test_tables_name_every_network_and_the_file_is_whole(result: dict[str, Any], tmp_path: Path) -> None:
    study(tmp_path, cues_there={"letter": {"t0", "t13"}}).run()
    written = json.loads((tmp_path / "robustness.json").read_text())
    assert written == json.loads(json.dumps(result))
    text = robustness_table(written)
    rows = [re.split(r" {2,}", line) for line in text.splitlines()]
    assert ["", "student", "control", "student minus control"] in rows
    half, none = "0.500 [0.500, 0.500]", "0.000 [0.000, 0.000]"
    assert ["occlusions, frame only, auc", half, half, none] in rows
    assert next(row for row in rows if row[0] == "corruptions, contrast, mean, auc drop")[1] == half
    assert "corruptions, contrast, 1" not in text
    assert "Lungs: stand-in" in text
    assert "research use only" in text.lower()


def test_parts_can_be_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        less = study(corruption_kinds=[], cue_kinds=["letter"], occlusion_kinds=[]).run()
    assert less["networks"]["student"]["corruptions"] == {}
    assert list(less["networks"]["student"]["cues"]) == ["letter"]
    assert "occlusions, " not in caplog.text
    assert "cues, letter, score change" in caplog.text


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"cue_kinds": ["hat"]}, "Unknown cues: hat; expected some of letter"),
        ({"occlusion_kinds": ["heart"]}, "Unknown occlusions: heart"),
        ({"corruption_levels": {"fog": [1.0]}}, "Unknown corruptions: fog"),
        ({"corruption_kinds": ["noise"]}, "Unknown corruptions: noise; expected some of brightness, contrast"),
        ({"severities": [1, 2]}, "brightness has 1 levels; expected 1 to 1"),
        ({"severities": [0]}, "0 is the clean image"),
    ],
)
def test_what_is_not_known_is_refused(options: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        study(**options)


def test_when_a_box_is_on_a_cue() -> None:
    cue = np.zeros((20, 20), dtype=bool)
    cue[:2] = True  # a border, 40 cells
    assert box_touches(np.array([5, 0, 10, 20]), cue)  # a tenth of it
    assert not box_touches(np.array([5, 1, 10, 20]), cue)  # a nineteenth
    letter = np.zeros((20, 20), dtype=bool)
    letter[1:3, 1:3] = True
    assert box_touches(np.array([0, 2, 20, 20]), letter)  # two of its four cells
    assert not box_touches(np.array([2, 2, 20, 20]), letter)  # one


def test_the_config_runs_over_a_trained_bundle(trained: Path, phantoms: Path, tmp_path: Path) -> None:
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(trained / "models"), "output_dir": str(tmp_path)}
    run_bundle(
        ["train", "evaluate", "robustness"],
        "run_robustness",
        severities=[5],
        corruption_kinds=["rotation", "jpeg"],
        repeat_checkpoints=[str(trained / "models" / "model.pt")],
        **where,
    )
    result = json.loads((tmp_path / "robustness.json").read_text())
    assert "repeatability, student and student of repeat 1, chance, iou" in robustness_table(result)
    metrics = json.loads((trained / "out" / "metrics.json").read_text())["predictors"]
    assert list(result["networks"]) == ["teacher", "control", "student"]
    for name, row in result["networks"].items():
        # severity 0 is the evaluation itself
        assert row["clean"]["auc"]["value"] == metrics[name]["auc"]["value"]
        assert row["clean"]["union_mask_miou"]["value"] == metrics[name]["union_mask_miou"]["value"]
        assert row["operating_point"] == metrics[name]["operating_point"]
        assert set(row["corruptions"]) == {"rotation", "jpeg"}
    letter = result["networks"]["student"]["cues"]["letter"]
    records = json.loads((phantoms / "phantom.json").read_text())["images"]
    assert letter["score_change"]["n"] == sum(f["split"] == "val" and not f["cues"] for f in records)
    sanity = result["saliency_sanity"]
    # the very same network again
    assert sanity["repeatability"]["student and student of repeat 1"]["spearman"]["value"] == pytest.approx(1.0)
    for name, utility in sanity["localization_utility"].items():
        own = name if name in metrics else "student"
        assert utility["value"] == pytest.approx(
            metrics[own]["union_mask_miou_minus"]["blind_prior"]["value"], abs=1e-6
        ), name
    assert sanity["cascade"]["student"]["stem"]["spearman"]["high"] < 0.9


def test_images_of_another_data_set_can_be_looked_at(trained: Path, phantoms: Path, tmp_path: Path) -> None:
    recipe = json.loads((phantoms / "phantom.json").read_text())["recipe"]
    keys = ("n_train", "n_val", "size", "seed")
    bare = write_phantom_dataset(
        tmp_path / "bare", **{k: recipe[k] for k in keys}, shortcut_kinds=(), write_lung_fields=True
    )
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(trained / "models"), "output_dir": str(tmp_path / "out")}
    less = {"corruption_kinds": [], "cue_kinds": ["letter"], "sanity_images": 0}
    run_bundle(["train", "evaluate", "robustness"], "run_robustness", reported_dir=str(bare), **where, **less)
    result = json.loads((tmp_path / "out" / "robustness.json").read_text())
    metrics = json.loads((trained / "out" / "metrics.json").read_text())["predictors"]
    for name, row in result["networks"].items():
        assert row["cues"]["letter"]["score_change"]["n"] == 10  # no image bears one
        assert row["operating_point"] == metrics[name]["operating_point"]
    assert result["lungs"] == "lung fields of 10 images"


def test_few_images_and_no_sanity(trained: Path, phantoms: Path, tmp_path: Path) -> None:
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(trained / "models"), "output_dir": str(tmp_path)}
    less = {
        "robustness_images": 6,
        "corruption_kinds": [],
        "cue_kinds": ["text"],
        "occlusion_kinds": [],
        "sanity_images": 0,
    }
    run_bundle(["train", "evaluate", "robustness"], "run_robustness", **where, **less)
    result = json.loads((tmp_path / "robustness.json").read_text())
    assert result["splits"]["test"]["images"] == 6
    assert "saliency_sanity" not in result


def test_an_image_whose_border_is_cropped_off_is_named() -> None:
    image = {"image": torch.zeros(1, 8, 8, dtype=torch.uint8), "name": "a.png", "tb": 1.0}
    look = ImagePredictor(
        {"net": lambda image: image}, lambda item: item, lambda item: {"tb_map": item["pred"], "score": 0}
    )
    assert look([image | {"inside": torch.tensor([0.0, 0.0, 1.0, 1.0])}]).predictions["net"].maps.shape == (1, 8, 8)
    with pytest.raises(RuntimeError) as caught:
        look([image | {"inside": torch.tensor([0.2, 0.0, 0.8, 1.0])}])
    assert str(caught.value.__cause__).startswith("a.png has a large plain border")


IMAGES = [{"name": f"f{i}", "class_name": "tb" if i % 4 == 0 else "health"} for i in range(40)]


def test_classes_keep_their_shares_and_images_their_order() -> None:
    kept = image_subset(IMAGES, 8)
    assert [image["class_name"] for image in kept].count("tb") == 2
    assert len(kept) == 8
    assert kept == [image for image in IMAGES if image in kept]
    assert kept == image_subset(IMAGES[::-1], 8)[::-1]  # by name, not by place
    assert all(image in image_subset(IMAGES, 20) for image in kept)


def test_all_or_at_least_one_of_each() -> None:
    assert image_subset(IMAGES, None) == image_subset(IMAGES, 99) == IMAGES
    assert {image["class_name"] for image in image_subset(IMAGES, 1)} == {"tb", "health"}
    with pytest.raises(ValueError, match="0 images were asked for"):
        image_subset(IMAGES, 0)


def test_cut_images_are_refused() -> None:
    refuse_cropped_images(False)
    with pytest.raises(ValueError, match="lung_crop is true"):
        refuse_cropped_images(True)
