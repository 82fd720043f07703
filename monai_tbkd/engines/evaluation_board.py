"""A finished evaluation in TensorBoard."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.tensorboard.summary import hparams

from monai_tbkd.handlers.stage_writer import StageWriter
from monai_tbkd.metrics import Predictions, table
from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.report.evaluation_charts import forest_chart, reliability_chart, threshold_chart
from monai_tbkd.report.evaluation_page import main_network

_PR_THRESHOLDS = 127  # TensorBoard's own


def write_evaluation_board(
    log_dir: str | Path,
    result: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
    predictions: Mapping[str, Mapping[str, Predictions]],
    overlays: Sequence[Path] = (),
) -> None:
    """Write a run for each network: PR curve, reliability, settings with final metrics, configuration as text.

    The student's run also has the figures over all predictors, the table, and some images with maps and boxes. A run of
    an earlier evaluation is replaced.

    Args:
        log_dir: gets a folder a network.
        result: of the comparison, as in ``metrics.json``.
        items: datalist items of the reported split.
        predictions: by network, with a ``test`` split in the order of the items.
        overlays: pictures of images.
    """
    positive = np.array([item["class_name"] == "tb" for item in items])
    rows, main = result["predictors"], main_network(result)
    for name, by_split in predictions.items():
        stage = StageWriter(Path(log_dir) / name)
        scores = by_split["test"].scores
        if scores is not None and positive.any() and not positive.all():
            stage.writer.add_pr_curve("evaluation/precision_recall", positive, scores, num_thresholds=_PR_THRESHOLDS)
            stage.writer.add_figure("evaluation/reliability", reliability_chart(rows, [name]))
        stage.add_text("evaluation/configuration", _configuration(result, name))
        metrics = final_metrics(result, name)
        # SummaryWriter.add_hparams would put them into a run of their own, named after the time of day.
        for summary in hparams(run_settings(result, name), metrics):
            stage.writer._get_file_writer().add_summary(summary)
        for tag, value in metrics.items():
            stage.add_scalar(tag, value)
        if name == main:
            if "union_mask_miou" in rows[name]:
                chart = forest_chart(rows, "union_mask_miou", "union-mask mIoU")
                # not the name of a scalar: a tag holds one kind of thing
                stage.writer.add_figure("evaluation/all_predictors", chart)
                stage.writer.add_figure("evaluation/thresholds", threshold_chart(rows))
            stage.add_text("evaluation/table", _as_code(table(result)))
            for number, path in enumerate(overlays):
                stage.add_image("evaluation/images", np.asarray(Image.open(path)), number, dataformats="HWC")
        stage.close()


def run_settings(result: Mapping[str, Any], name: str) -> dict[str, bool | int | float | str]:
    """What a network was trained and is compared under, as TensorBoard's hparams take it."""
    record = (result.get("checkpoints") or {}).get(name) or {}
    point = result["predictors"][name]["operating_point"]
    settings = {"network": name, **(record.get("architecture") or {}), **(record.get("settings") or {})}
    settings |= {k: point[k] for k in ("map_threshold", "score_threshold", "mode")}
    return {k: v if isinstance(v, bool | int | float | str) else str(v) for k, v in settings.items()}


def final_metrics(result: Mapping[str, Any], name: str) -> dict[str, float]:
    """The numbers of a network that runs are compared by, those that there are."""
    row = result["predictors"][name]
    numbers = {key: row.get(key) for key in ("union_mask_miou", "best_box_iou", "pointing_game", "auc")}
    numbers["union_mask_miou_minus_blind_prior"] = row.get("union_mask_miou_minus", {}).get(BLIND_PRIOR)
    known = {key: x["value"] for key, x in numbers.items() if x and x["value"] is not None}
    return {f"evaluation/{key}": float(value) for key, value in known.items() if math.isfinite(value)}


def _configuration(result: Mapping[str, Any], name: str) -> str:
    record = (result.get("checkpoints") or {}).get(name)
    shown = {
        "checkpoint": record,
        "operating_point": result["predictors"][name]["operating_point"],
        "evaluation": {k: v for k, v in result.items() if isinstance(v, int | float | str)},
        "provenance": result.get("provenance"),
    }
    return _as_code(json.dumps(shown, indent=2))


def _as_code(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())
