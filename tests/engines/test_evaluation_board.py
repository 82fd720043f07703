from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.pr_curve import plugin_data_pb2 as pr_curve_pb2
from tensorboard.util.tensor_util import make_ndarray

from monai_tbkd.engines.evaluation_board import final_metrics, run_settings, write_evaluation_board
from monai_tbkd.metrics import Comparison, Predictions

GRID = 16


def events(folder: Path) -> EventAccumulator:
    assert len(list(folder.glob("events.out.tfevents.*"))) == 1
    found = EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0})
    found.Reload()
    return found


@pytest.fixture(scope="module")
def board(trained: Path) -> Path:
    return trained / "out" / "tensorboard" / "evaluation"


def test_each_network_has_a_run_with_its_final_metrics(trained: Path, board: Path) -> None:
    result = json.loads((trained / "out" / "metrics.json").read_text())
    assert {path.name for path in board.iterdir()} == {"teacher", "control", "student"}
    for name in ("teacher", "control", "student"):
        row, run = result["predictors"][name], events(board / name)
        for tag, number in (
            ("union_mask_miou", row["union_mask_miou"]),
            ("union_mask_miou_minus_blind_prior", row["union_mask_miou_minus"]["blind_prior"]),
            ("pointing_game", row["pointing_game"]),
            ("auc", row["auc"]),
        ):
            (scalar,) = run.Scalars(f"evaluation/{tag}")
            assert scalar.value == pytest.approx(number["value"], abs=1e-6)


def test_hparams_hold_settings_and_name_the_metrics(trained: Path, board: Path) -> None:
    result = json.loads((trained / "out" / "metrics.json").read_text())
    metadata = events(board / "student").SummaryMetadata
    start = plugin_data_pb2.HParamsPluginData.FromString(
        metadata("_hparams_/session_start_info").plugin_data.content
    ).session_start_info.hparams
    assert start["network"].string_value == "student"
    assert start["image_size"].number_value == 64
    assert start["warmup"].number_value == result["checkpoints"]["student"]["settings"]["warmup"]
    point = result["predictors"]["student"]["operating_point"]
    assert start["map_threshold"].number_value == pytest.approx(point["map_threshold"])
    experiment = plugin_data_pb2.HParamsPluginData.FromString(
        metadata("_hparams_/experiment").plugin_data.content
    ).experiment
    named = {info.name.tag for info in experiment.metric_infos}
    assert {"evaluation/union_mask_miou", "evaluation/union_mask_miou_minus_blind_prior"} <= named
    assert {"evaluation/pointing_game", "evaluation/auc"} <= named


def test_pictures_and_texts_are_there(trained: Path, board: Path) -> None:
    student, teacher = events(board / "student"), events(board / "teacher")
    assert "evaluation/reliability" in teacher.Tags()["images"]
    pictures, numbers = (set(student.Tags()[kind]) for kind in ("images", "scalars"))
    assert {"evaluation/reliability", "evaluation/thresholds", "evaluation/all_predictors"} <= pictures
    assert "evaluation/union_mask_miou" in numbers
    assert not pictures & numbers  # TensorBoard shows one kind a tag
    images = student.Images("evaluation/images")
    drawn = sorted((trained / "out" / "comparison").glob("*.png"))
    assert len(images) == len(drawn) == 4
    assert (images[0].width, images[0].height) in {Image.open(path).size for path in drawn}
    assert "evaluation/images" not in teacher.Tags()["images"]
    (configuration,) = teacher.Tensors("evaluation/configuration/text_summary")
    text = make_ndarray(configuration.tensor_proto)[0].decode()
    shown = json.loads("\n".join(line.removeprefix("    ") for line in text.splitlines()))
    assert shown["checkpoint"]["stage"] == "teacher"
    assert shown["provenance"]["versions"]["monai"]
    (table,) = student.Tensors("evaluation/table/text_summary")
    assert b"blind_prior" in make_ndarray(table.tensor_proto)[0]


def test_the_precision_recall_curve_is_that_of_the_scores(tmp_path: Path) -> None:
    boxed = {"class_name": "tb", "boxes": [[0, 0, 8, 8]], "size": [16, 16]}
    plain = {"class_name": "health", "boxes": [], "size": [16, 16]}

    def images(split: str) -> list[dict[str, object]]:
        return [{**(boxed if i < 2 else plain), "name": f"{split}{i}"} for i in range(4)]

    comparison = Comparison(images("t"), images("s"), images("r"), grid=GRID, resamples=20)
    maps = np.full((4, GRID, GRID), 0.2, dtype=np.float32)
    predictions = {"student": {s: Predictions(maps, np.array([0.9, 0.3, 0.6, 0.1])) for s in ("select", "test")}}
    result = comparison.run(predictions)
    for _ in range(2):  # a second evaluation takes the place of the first
        write_evaluation_board(tmp_path, result, comparison.items["test"], predictions)
    run = events(tmp_path / "student")
    (curve,) = run.Tensors("evaluation/precision_recall")
    metadata = run.SummaryMetadata("evaluation/precision_recall").plugin_data.content
    thresholds = pr_curve_pb2.PrCurvePluginData.FromString(metadata).num_thresholds
    assert thresholds == 127
    true, false, _, missed, precision, recall = make_ndarray(curve.tensor_proto)
    at = round(0.5 * (thresholds - 1))  # 2 images score at least 0.5, one of them has TB
    assert (true[at], false[at], missed[at]) == (1, 1, 1)
    assert (precision[at], recall[at]) == (0.5, 0.5)


def test_settings_without_a_record_and_metrics_that_are_not_known_are_left_out() -> None:
    known, unknown = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 3}, {"value": None, "low": None, "high": None, "n": 0}
    row = {
        "union_mask_miou": known,
        "best_box_iou": unknown,
        "pointing_game": known,
        "auc": None,
        "union_mask_miou_minus": {"blind_prior": known},
        "operating_point": {"map_threshold": 0.5, "score_threshold": None, "mode": "absolute", "chosen_on": "select"},
    }
    result = {"predictors": {"student": row}, "checkpoints": {"student": None}}
    assert final_metrics(result, "student") == {
        "evaluation/union_mask_miou": 0.5,
        "evaluation/pointing_game": 0.5,
        "evaluation/union_mask_miou_minus_blind_prior": 0.5,
    }
    assert run_settings(result, "student") == {
        "network": "student",
        "map_threshold": 0.5,
        "score_threshold": "None",
        "mode": "absolute",
    }
