"""Page of one image: what was found, where, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from monai_tbkd.data.readers.image_warnings import ImageWarning
from monai_tbkd.data.readers.reason_codes import ReasonCode
from monai_tbkd.report.html_page import decimals, page, picture_uri
from monai_tbkd.report.image_pictures import ImagePicture, color_key, fit_side, map_layer
from monai_tbkd.results.prediction_table import DONE, TB
from monai_tbkd.transforms import notice_of
from monai_tbkd.transforms.overlay import PREDICTED_COLOR

MEANINGS = {code.value: code.meaning for code in (*ReasonCode, *ImageWarning)}


def image_page(row: Mapping[str, Any], picture: ImagePicture | None, overview: str = "", side: int = 640) -> str:
    """Render the page of one image.

    Args:
        row: of the image, as in ``predictions.json``.
        picture: the image, or None where it cannot be shown.
        overview: link to the page of all images; none if empty.
        side: the longer side of the shown image, in pixels.
    """
    name, notice = str(row["name"]), notice_of(str(row["model_version"] or ""))
    score, threshold = row["score_0_100"], row["threshold_0_100"]
    facts = {"model": row["model_version"], "threshold from": row["threshold_id"],
             "SOP Instance UID": row["sop_instance_uid"], "use": notice}  # fmt: skip
    return page(
        "image.html", name, notice, ("images.css",),
        row=row,
        overview=overview,
        format={"dicom": "DICOM"}.get(row["source_format"], str(row["source_format"] or "").upper()),
        found=row["decision"] == TB,
        reason=ReasonCode(row["reason"]) if row["reason"] else None,
        score="" if score is None else decimals(score),
        threshold="" if threshold is None else decimals(threshold),
        exact=score_and_threshold(row) if score is not None else None,
        done=row["status"] == DONE,
        panels=_panels(picture, side) if picture is not None else None,
        key=color_key(),
        warnings=[(code, MEANINGS.get(code, "")) for code in codes(row["warnings"])],
        facts={key: value for key, value in facts.items() if value},
    )  # fmt: skip


def score_and_threshold(row: Mapping[str, Any]) -> tuple[str, str]:
    """Format both with as many digits as it takes to tell them apart."""
    score, threshold = row["score_0_100"], row["threshold_0_100"]
    if threshold is None:
        return decimals(score), ""
    digits = 2 if decimals(score) == decimals(threshold) else 1
    return decimals(score, digits), decimals(threshold, digits)


def codes(joined: str | None) -> list[str]:
    """Split the warnings of a row."""
    return [code for code in (joined or "").split("; ") if code]


def _panels(picture: ImagePicture, side: int) -> dict[str, Any]:
    """The image and its map as data URIs, and boxes in the image's own pixels, which the browser draws."""
    gray = Image.fromarray(picture.image).resize(fit_side(picture.size, side)[::-1], Image.Resampling.LANCZOS)
    boxes = [] if picture.boxes is None else picture.boxes.tolist()
    scores = [None] * len(boxes) if picture.box_scores is None else picture.box_scores.tolist()
    return {
        "image": picture_uri(gray, quality=80),
        "map": None if picture.tb_map is None else picture_uri(map_layer(picture.tb_map, picture.size), "PNG"),
        "height": picture.size[0],
        "width": picture.size[1],
        "found": "" if picture.boxes is None else f", {len(boxes) or 'no'} {'boxes' if len(boxes) > 1 else 'box'}",
        "boxes": list(zip(boxes, scores, strict=True)),
        "font": 0.034 * max(picture.size),
        "color": PREDICTED_COLOR,
    }
