"""What a model says of one image, as a row and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image

from monai_tbkd.data import FilmTurn, FilmWarning, ReasonCode
from monai_tbkd.report.prediction_table import COLUMNS, DONE, FAILED, NO_TB, REFUSED, TB, as_written
from monai_tbkd.transforms import DrawOverlay


def prediction_row(
    batch: Mapping[str, Any],
    output: Mapping[str, Any],
    score_threshold: float,
    threshold_id: str,
    input_kind: str,
    model_version: str,
) -> dict[str, Any]:
    """The row of one image, see `COLUMNS`.

    Args:
        batch: the image as it went into the network, with ``name``, ``reason``, ``detail`` and ``original_size``.
        output: what came out of the post-processing; nothing is read of an image with a reason.
        score_threshold: images at or above it (0-1) are called TB suggestive.
        threshold_id: where the threshold comes from.
        input_kind: of the images that the threshold holds for; another kind gets its score, a warning, and neither a
            decision nor boxes.
        model_version: what made the prediction.
    """
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    meta = batch["image"].meta
    row.update(
        name=as_written(batch["name"]),
        path=as_written(str(meta["filename_or_obj"])),
        status=DONE,
        warnings=meta.get("warnings") or None,
        source_format=meta.get("source_format") or None,
        pixel_steps=meta.get("pixel_steps") or None,
        sop_instance_uid=meta.get("sop_instance_uid") or None,
        model_version=model_version,
    )
    if batch["reason"]:
        reason = ReasonCode(batch["reason"])
        row.update(status=FAILED if reason.is_failure else REFUSED, reason=reason.value, detail=batch["detail"])
        return row
    height, width = (int(length) for length in batch["original_size"])
    turn = FilmTurn.from_text(meta.get("turn", ""))
    score = float(output["score"])
    boxes = [
        [round(v, 2) for v in box] + [round(s, 4)]
        for box, s in zip(output["pred_boxes"].tolist(), output["pred_box_scores"].tolist())
    ]
    row.update(
        height=width if turn.transpose else height,
        width=height if turn.transpose else width,
        score_0_100=round(100 * score, 2),
        threshold_0_100=round(100 * score_threshold, 2),
        threshold_id=threshold_id,
        decision=TB if score >= score_threshold else NO_TB,
        n_boxes=len(boxes),
        boxes=turn.boxes_as_stored(boxes, (height, width)),
    )
    if fault := _fault_of_kind(input_kind, meta.get("source_format")):
        row.update(decision=None, threshold_0_100=None, threshold_id=None, n_boxes=None, boxes=None)
        add_warning(row, FilmWarning.OTHER_INPUT_KIND, fault)
    return row


def prediction_overlay(
    batch: Mapping[str, Any], output: Mapping[str, Any], row: Mapping[str, Any], draw: DrawOverlay
) -> Image.Image:
    """The image beside itself with map and boxes, upright.

    Args:
        batch: as of `prediction_row`; the picture is of its ``film``, or, without one, of its ``image``.
        output: as of `prediction_row`.
        row: of the image, which has a score.
        draw: makes the picture.
    """
    caption, boxes, scores = f"score {row['score_0_100']:.0f}, no threshold", torch.zeros(0, 4), torch.zeros(0)
    if row["decision"] is not None:
        caption = f"score {row['score_0_100']:.0f} (threshold {row['threshold_0_100']:.0f}): {row['decision']}"
        boxes, scores = output["pred_boxes"], output["pred_box_scores"]
    picture = draw(
        batch.get("film", batch["image"]),
        output["tb_map"],
        boxes,
        scores,
        batch["original_size"],
        str(row["name"]),
        caption,
    )
    return Image.fromarray(picture.permute(1, 2, 0).numpy())


def add_warning(row: dict[str, Any], warning: FilmWarning, detail: str) -> None:
    """Add a warning to a row, and to its detail what it is about."""
    row["warnings"] = "; ".join(filter(None, [row["warnings"], warning]))
    row["detail"] = "; ".join(filter(None, [row["detail"], detail]))


def _fault_of_kind(input_kind: str, source_format: str | None) -> str:
    if input_kind == "mixed":
        return ""
    from monai_tbkd.metrics.calibrated_threshold import input_kind_fault

    return input_kind_fault(input_kind, source_format)
