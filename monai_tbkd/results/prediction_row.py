"""The prediction of one image as a table row and as an overlay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image

from monai_tbkd.data import ImageTurn, ImageWarning, ReasonCode
from monai_tbkd.results.prediction_table import COLUMNS, DONE, FAILED, NO_TB, REFUSED, TB, as_written
from monai_tbkd.transforms import DrawOverlay


def prediction_row(
    batch: Mapping[str, Any],
    output: Mapping[str, Any],
    score_threshold: float,
    threshold_id: str,
    input_kind: str,
    model_version: str,
) -> dict[str, Any]:
    """Make the row of one image, with a value for each of `COLUMNS`.

    Args:
        batch: the network's input, with ``name``, ``reason``, ``detail`` and ``original_size``.
        output: of the post-processing; not read for an image with a reason.
        score_threshold: 0-1; images at or above it are TB suggestive.
        threshold_id: where the threshold comes from.
        input_kind: kind of image the threshold holds for; another kind gets a score and a warning, but no decision.
        model_version: of the model that made the prediction.
    """
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    meta = batch["image"].meta
    row |= {key: meta.get(key) or None for key in ("warnings", "source_format", "pixel_steps", "sop_instance_uid")}
    row.update(
        name=as_written(batch["name"]),
        path=as_written(str(meta["filename_or_obj"])),
        status=DONE,
        model_version=model_version,
    )
    if batch["reason"]:
        reason = ReasonCode(batch["reason"])
        row.update(status=FAILED if reason.is_failure else REFUSED, reason=reason.value, detail=batch["detail"])
        return row
    height, width = (int(length) for length in batch["original_size"])
    turn = ImageTurn.from_text(meta.get("turn", ""))
    score = float(output["score"])
    row["height"], row["width"] = (width, height) if turn.transpose else (height, width)
    row["score_0_100"] = round(100 * score, 2)
    if input_kind != "mixed":
        from monai_tbkd.metrics.calibrated_threshold import input_kind_fault

        if fault := input_kind_fault(input_kind, meta.get("source_format")):
            add_warning(row, ImageWarning.OTHER_INPUT_KIND, fault)
            return row
    boxes = [
        [round(v, 2) for v in box] + [round(s, 4)]
        for box, s in zip(output["pred_boxes"].tolist(), output["pred_box_scores"].tolist())
    ]
    row.update(
        threshold_0_100=round(100 * score_threshold, 2),
        threshold_id=threshold_id,
        decision=TB if score >= score_threshold else NO_TB,
        n_boxes=len(boxes),
        boxes=turn.boxes_as_stored(boxes, (height, width)),
    )
    return row


def prediction_overlay(
    batch: Mapping[str, Any], output: Mapping[str, Any], row: Mapping[str, Any], draw: DrawOverlay
) -> Image.Image:
    """Draw the image beside itself with map and boxes, upright.

    ``batch`` and ``output`` as of `prediction_row`, whose ``row`` has a score; a ``whole_image`` is drawn in place of
    the network's ``image``.
    """
    caption, boxes, scores = f"score {row['score_0_100']:.0f}, no threshold", torch.zeros(0, 4), torch.zeros(0)
    if row["decision"] is not None:
        caption = f"score {row['score_0_100']:.0f} (threshold {row['threshold_0_100']:.0f}): {row['decision']}"
        boxes, scores = output["pred_boxes"], output["pred_box_scores"]
    image, size = batch.get("whole_image", batch["image"]), batch["original_size"]
    picture = draw(image, output["tb_map"], boxes, scores, size, str(row["name"]), caption)
    return Image.fromarray(picture.permute(1, 2, 0).numpy())


def add_warning(row: dict[str, Any], warning: ImageWarning, detail: str) -> None:
    """Add a warning and its detail to a row."""
    row["warnings"] = "; ".join(filter(None, [row["warnings"], warning]))
    row["detail"] = "; ".join(filter(None, [row["detail"], detail]))
