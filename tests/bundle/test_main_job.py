"""The main job through ``monai.bundle``, on phantom images, with small numbers."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_tbkd.bundle.plain_errors import plain_cause
from monai_tbkd.networks import read_state_dict
from monai_tbkd.transforms import rescale_boxes
from tests.conftest import run_bundle


def events(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    accumulator.Reload()
    return accumulator


def test_checkpoints_are_the_networks_alone_and_recorded_as_finished(trained: Path) -> None:
    names = {p.name for p in (trained / "models").iterdir()}
    expected = {f"{n}.{s}" for n in ("teacher", "model", "control") for s in ("pt", "json")} | {"operating_point.json"}
    assert names == expected
    state = read_state_dict(trained / "models" / "model.pt")
    assert not [k for k in state if not k.startswith(("backbone.", "head."))]  # nothing of a teacher in it
    record = json.loads((trained / "models" / "model.json").read_text())
    assert record["finished"]
    assert record["epochs"] == 2
    assert record["stage"] == "student"
    assert "research use only" in record["notice"]


def test_student_differs_from_control(trained: Path) -> None:
    student, control = (read_state_dict(trained / "models" / f"{n}.pt") for n in ("model", "control"))
    assert not torch.equal(student["head.weight"], control["head.weight"])


@pytest.mark.parametrize("stage", ["teacher", "student", "control"])
def test_tensorboard_has_terms_learning_rate_metrics_and_the_panel(trained: Path, stage: str) -> None:
    log = events(trained / "out" / "tensorboard" / stage)
    terms = {"train/loss/label", "train/loss/total"}
    if stage == "student":
        terms |= {"train/loss/logits", "train/loss/map"}
    scalars = set(log.Tags()["scalars"])
    assert {t for t in scalars if t.startswith("train/loss/")} == terms
    assert {"train/lr", "val/auc", "val/union_mask_miou", "val/pointing_game"} <= scalars
    assert log.Tags()["images"] == ["val/overlays"]
    assert [e.step for e in log.Scalars("val/auc")] == [1, 2]
    assert len(list((trained / "out" / "tensorboard" / stage).iterdir())) == 1  # one shared writer


def test_metrics_json_has_every_model_and_baseline_with_intervals(trained: Path) -> None:
    result = json.loads((trained / "out" / "metrics.json").read_text())
    blind = {"blind_prior", "center_box", "upper_lung_boxes", "whole_image", "mean_map", "shuffled_maps"}
    assert set(result["predictors"]) == {"teacher", "control", "student"} | blind
    assert result["splits"]["test"] == {
        "images": 10,
        "health_images": 3,
        "sick_images": 2,
        "tb_images": 5,
        "tb_images_with_boxes": 5,
        "boxes": 7,
    }
    for name, row in result["predictors"].items():
        for metric in ("union_mask_miou", "box_union_miou", "best_box_iou", "pointing_game"):
            value = row[metric]
            assert 0 <= value["low"] <= value["value"] <= value["high"] <= 1, (name, metric)
        assert row["operating_point"]["chosen_on"].startswith("select split")
        assert (row["auc"] is None) == (name in blind)
        assert set(row["union_mask_miou_minus"]) == set(result["predictors"]) - {name}
    assert result["predictors"]["student"]["above_blind_prior"] in (True, False)
    assert "research use only" in result["notice"]


def test_evaluation_draws_images(trained: Path) -> None:
    pictures = sorted((trained / "out" / "comparison").glob("*.png"))
    assert len(pictures) == 4
    assert Image.open(pictures[0]).size[0] == 4 * 320  # image, teacher, control, student


def test_inference_writes_rows_boxes_and_overlays(trained: Path, phantoms: Path, tmp_path: Path) -> None:
    images = tmp_path / "images" / "nested"
    images.mkdir(parents=True)
    square = Image.open(phantoms / "imgs" / "tb" / "tb0001.png")
    square.save(images / "tb0001 x.png")
    square.resize((384, 192)).save(images / "wide.png")  # 128 pixels wide and high become 384 and 192
    (images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    out = tmp_path / "images" / "out"  # results among the images are no images
    for _ in range(2):
        run_bundle(
            ["inference"],
            dataset_dir=str(tmp_path / "images"),
            output_dir=str(out),
            ckpt_dir=str(trained / "models"),
            score_threshold=0.0,
            map_threshold=0.5,
            threshold_mode="relative",
        )
    rows = list(csv.DictReader((out / "predictions.csv").open()))
    images_json = json.loads((out / "predictions.json").read_text())["images"]
    assert [r["name"] for r in rows] == ["nested/broken.png", "nested/tb0001 x.png", "nested/wide.png"]
    assert [r["status"] for r in rows] == ["failed", "done", "done"]
    assert rows[0]["score_0_100"] == ""  # a reason and no score
    assert rows[0]["reason"] == "CORRUPT"
    assert images_json[0]["score_0_100"] is None
    for row, image in zip(rows[1:], images_json[1:]):
        assert 0 <= float(row["score_0_100"]) <= 100
        assert json.loads(row["boxes"]) == image["boxes"]
        assert row["threshold_id"] == "config: map_threshold, score_threshold, mode"
    square_boxes, wide_boxes = (f["boxes"] for f in images_json[1:])
    assert square_boxes
    assert len(wide_boxes) == len(square_boxes)
    for box, wide in zip(square_boxes, wide_boxes):
        assert 0 <= box[0] < box[2] <= 128
        assert 0 <= box[1] < box[3] <= 128
        # the same image stretched: three times the columns, one and a half times the rows
        assert wide[:4] == pytest.approx([3 * box[0], 1.5 * box[1], 3 * box[2], 1.5 * box[3]], abs=12)
    assert {p.name for p in (out / "overlays").iterdir()} == {"nested_tb0001 x.png", "nested_wide.png"}


@pytest.mark.usefixtures("undrawn")
def test_inference_gives_the_scores_and_boxes_that_were_evaluated(
    trained: Path, phantoms: Path, tmp_path: Path
) -> None:
    workflow = run_bundle(
        ["train", "evaluate"],
        dataset_dir=str(phantoms),
        ckpt_dir=str(trained / "models"),
        output_dir=str(tmp_path / "evaluation"),
        operating_point=str(tmp_path / "operating_point.json"),
    )
    comparison = workflow.parser.get_parsed_content("evaluate::comparison")
    recorder = workflow.parser.get_parsed_content("evaluate::recorder")  # the student was evaluated last
    run_bundle(
        ["inference"],
        dataset_dir=str(phantoms / "imgs"),
        output_dir=str(tmp_path),
        ckpt_dir=str(trained / "models"),
        operating_point=str(tmp_path / "operating_point.json"),
    )
    point = json.loads((tmp_path / "operating_point.json").read_text())
    images = {f["name"]: f for f in json.loads((tmp_path / "predictions.json").read_text())["images"]}
    to_boxes = comparison.box_fitting(point)
    assert len(recorder.scores) == 10
    number = 0
    for item in comparison.items["test"]:
        assert images[item["name"]]["score_0_100"] == pytest.approx(100 * recorder.scores[item["name"]], abs=0.02)
        scored = to_boxes(torch.from_numpy(recorder.maps[item["name"]])[None], recorder.scores[item["name"]])
        drawn = [box[:4] for box in images[item["name"]]["boxes"]]
        expected = rescale_boxes(scored.boxes, (64, 64), item["size"]).numpy()
        np.testing.assert_allclose(np.reshape(drawn, (-1, 4)), expected, atol=0.02)
        number += len(drawn)
    assert number > 0


def test_finished_teacher_is_taken_and_an_unfinished_one_is_not(
    small_run: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small_run(["train"], stage="teacher", max_epochs=1)
    path = tmp_path / "models" / "teacher.pt"
    first = path.stat().st_mtime_ns
    small_run(["train"], max_epochs=1)
    assert path.stat().st_mtime_ns == first
    assert (tmp_path / "models" / "model.pt").is_file()
    # what the student alone learns by is nothing to the teacher
    small_run(["train"], max_epochs=1, **{"student_terms::map::weight": 2.0})
    assert path.stat().st_mtime_ns == first
    path.with_suffix(".json").unlink()  # as a run leaves it that was killed before it had finished
    small_run(["train"], max_epochs=1)
    assert path.stat().st_mtime_ns != first
    assert "no record of a finished training" in caplog.text


def test_same_seed_same_student(small_run: Callable, tmp_path: Path) -> None:
    small_run(["train"], max_epochs=1)
    first = read_state_dict(tmp_path / "models" / "model.pt")
    small_run(["train"], stage="student", max_epochs=1)  # alone, as in one run with the teacher
    second = read_state_dict(tmp_path / "models" / "model.pt")
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_student_and_control_start_alike(taught: Callable, small_run: Callable, tmp_path: Path) -> None:
    taught(max_epochs=1, learning_rate=0.0)
    small_run(["train"], stage="control", max_epochs=1, learning_rate=0.0)
    student, control = (read_state_dict(tmp_path / "models" / f"{n}.pt") for n in ("model", "control"))
    assert all(torch.equal(student[k], control[k]) for k in student)  # batch norm has seen the same images as well


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("num_classes", [2, 3])
def test_two_and_three_classes(small_run: Callable, tmp_path: Path, num_classes: int) -> None:
    small_run(["train"], max_epochs=1, num_classes=num_classes)
    small_run(["train", "evaluate"], num_classes=num_classes, bootstrap_resamples=20, overlays=1)
    assert (tmp_path / "out" / "metrics.json").is_file()
    assert read_state_dict(tmp_path / "models" / "model.pt")["head.weight"].shape[0] == num_classes


def test_evaluation_refuses_networks_that_have_seen_the_reported_images(
    trained: Path, phantoms: Path, tmp_path: Path
) -> None:
    with pytest.raises(Exception) as caught:
        run_bundle(
            ["train", "evaluate"],
            dataset_dir=str(phantoms),
            ckpt_dir=str(trained / "models"),
            output_dir=str(tmp_path),
            test=0.5,
        )
    assert "train_sha256" in str(plain_cause(caught.value))


def test_a_run_again_takes_the_place_of_the_curves_before(small_run: Callable, tmp_path: Path) -> None:
    small_run(["train"], stage="teacher", max_epochs=1)
    small_run(["train"], stage="teacher", max_epochs=1)
    assert len(list((tmp_path / "out" / "tensorboard" / "teacher").iterdir())) == 1
    assert not (tmp_path / "out" / "tensorboard" / "student").exists()
