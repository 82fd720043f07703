"""The pages of an inference: one per image, and one of all of them."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from PIL import Image

from monai_tbkd.data.files.own_results import save_marked
from monai_tbkd.data.readers.image_turn import ImageTurn
from monai_tbkd.data.readers.reason_codes import ImageError, ImageWarning, ReasonCode
from monai_tbkd.metrics.calibrated_threshold import BEFORE_USE
from monai_tbkd.report.html_page import decimals, page, picture_uri, write_page
from monai_tbkd.report.image_pictures import ImagePicture, color_key, fit_side, map_layer, open_image, thumbnail
from monai_tbkd.results.prediction_table import (
    DONE,
    FAILED,
    IMAGE_REPORTS,
    NO_TB,
    OVERVIEW,
    REFUSED,
    TB,
    THUMBNAILS,
    read_predictions,
)
from monai_tbkd.transforms import notice_of
from monai_tbkd.transforms.overlay import PREDICTED_COLOR, image_for_display

logger = logging.getLogger(__name__)

AT_ONCE = 100
"""Rows shown at first; without a script these and no more."""
UNDECIDED = "no decision"
_BINS = 20
_SHADES = {TB: "tb", NO_TB: "no-tb", UNDECIDED: "undecided"}
_RESULTS = {TB: TB, NO_TB: NO_TB, UNDECIDED: "scored, no decision", REFUSED: "refused", FAILED: "failed"}
MEANINGS = {code.value: code.meaning for code in (*ReasonCode, *ImageWarning)}
_LONGEST_NAME = 150


class ImageReports:
    """Write ``image_reports/<image>.html`` as each image is done, and ``predictions.html`` in the end.

    The page of an image holds its pictures and can be sent by itself. That of all images shows thumbnails from
    ``image_reports/thumbnails``.

    Args:
        output_dir: of the inference.
        side: the longer side of the image on its page, in pixels.
        voi: how images are shown that are opened again; as in `CXRReader`.
    """

    def __init__(self, output_dir: str | Path, side: int = 640, voi: str = "first") -> None:
        self.folder, self.side, self.voi = Path(output_dir), int(side), voi

    def start(self) -> None:
        """Make the folders."""
        (self.folder / THUMBNAILS).mkdir(parents=True, exist_ok=True)

    def add(self, row: Mapping[str, Any], picture: ImagePicture | None = None) -> Path:
        """Write the page and thumbnail of an image; without a picture, its file is read."""
        if picture is None and row["status"] != FAILED:
            picture = self._open(row)
        stem = page_stem(str(row["name"]))
        if picture is not None:
            path = self.folder / THUMBNAILS / f"{stem}.jpg"
            save_marked(thumbnail(picture), path, "JPEG", quality=80, optimize=True)
        html = image_page(row, picture, f"../{OVERVIEW}", self.side)
        return write_page(self.folder / IMAGE_REPORTS / f"{stem}.html", html)

    def add_image(self, row: Mapping[str, Any], batch: Mapping[str, Any], output: Mapping[str, Any]) -> Path:
        """Write the page of an image that was just scored; ``batch`` and ``output`` as of `prediction_overlay`."""
        if row["status"] != DONE:
            return self.add(row)
        image = image_for_display(batch.get("whole_image", batch["image"]))
        size = (int(batch["original_size"][0]), int(batch["original_size"][1]))
        picture = ImagePicture(image, size, tb_map=output["tb_map"])
        if row["decision"] is not None:
            picture = picture._replace(boxes=output["pred_boxes"], box_scores=output["pred_box_scores"])
        return self.add(row, picture)

    def finish(self, rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], unfinished: str = "") -> Path:
        """Write the page of all images; see `batch_page`."""
        folder = self.folder / IMAGE_REPORTS
        there = {path.name for path in (*folder.glob("*.html"), *folder.glob("thumbnails/*.jpg"))}
        links = {}
        for row in rows:
            stem = page_stem(str(row["name"]))
            files = {f"{stem}.html": IMAGE_REPORTS, f"{stem}.jpg": THUMBNAILS}
            links[row["name"]] = [quote(f"{at}/{name}") if name in there else "" for name, at in files.items()]
        return write_page(self.folder / OVERVIEW, batch_page(rows, settings, links, unfinished))

    def _open(self, row: Mapping[str, Any]) -> ImagePicture | None:
        """Read an image from its file, with the boxes of its row; None if that fails."""
        try:
            image, meta = open_image(row["path"], self.voi)
        except ImageError as error:
            logger.debug("%s: no picture (%s)", row["name"], error)
            return None
        size = (image.shape[0], image.shape[1])
        if row["status"] != DONE or row["boxes"] is None:
            return ImagePicture(image, size)
        boxes = ImageTurn.from_text(meta["turn"]).boxes_upright(row["boxes"], size)
        found = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 5)
        return ImagePicture(image, size, found[:, :4], found[:, 4])


def write_reports(output_dir: str | Path) -> Path:
    """Write ``predictions.html`` of an earlier inference, and the missing pages of images, which have no map.

    Raises:
        FileNotFoundError: no ``predictions.json`` there.
        ValueError: it is not of an inference.
    """
    content = read_predictions(output_dir)
    reports = ImageReports(output_dir, voi=content["settings"].get("voi", "first"))
    reports.start()
    there = {path.name for path in (reports.folder / IMAGE_REPORTS).glob("*.html")}
    for row in content["images"]:
        if f"{page_stem(str(row['name']))}.html" not in there:
            reports.add(row)
    return reports.finish(content["images"], content["settings"])


def page_stem(name: str) -> str:
    """Make a file name, without suffix, of an image's name with folders; no two names share one."""
    plain = re.sub(r'[/\\:*?"<>|]|^\.', "_", name)
    short = plain.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return name if short == name else f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def image_page(row: Mapping[str, Any], picture: ImagePicture | None, overview: str = "", side: int = 640) -> str:
    """Render the page of one image, with a link to that of all images; a picture of None cannot be shown."""
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


def batch_page(
    rows: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    links: Mapping[str, Sequence[str]],
    unfinished: str = "",
) -> str:
    """Render the page of all images; it holds all rows and shows a hundred at a time.

    ``links`` are, by image, the relative addresses of its page and its thumbnail, or empty; ``unfinished`` is what to
    say of a run that ended early.
    """
    images = [_entry(row, *links.get(row["name"], ("", ""))) for row in rows]
    scored = [row for row in rows if row["score_0_100"] is not None]
    thresholds = sorted({row["threshold_0_100"] for row in scored} - {None})
    results = Counter(image["result"] for image in images)
    warnings = Counter(code for image in images for code in image["codes"])
    groups = {
        "Refused by a rule: no score": Counter(row["reason"] for row in rows if row["status"] == REFUSED),
        "Could not be processed: no score": Counter(row["reason"] for row in rows if row["status"] == FAILED),
        "Warnings: scored all the same": Counter(code for row in rows for code in codes(row["warnings"])),
    }
    return page(
        "batch.html", "Chest images", notice_of(str(settings.get("model_version", ""))), ("images.css",),
        "batch_page.js", picture_files=True,
        images=images,
        thresholds=", ".join(map(decimals, thresholds)),
        sources="; ".join(sorted({str(row["threshold_id"]) for row in rows if row["threshold_id"]})),
        unfinished=unfinished,
        before_use=BEFORE_USE,
        results=results,
        names=_RESULTS,
        shades=_SHADES,
        meanings=MEANINGS,
        histogram=_histogram(scored, thresholds) if scored else None,
        groups={title: counts.most_common() for title, counts in groups.items() if counts},
        warnings=warnings.most_common(),
        first=sorted(images, key=lambda row: -1.0 if row["score"] is None else row["score"], reverse=True)[:AT_ONCE],
        facts=_facts(rows, settings),
        data={
            "at_once": AT_ONCE,
            "shades": _SHADES,
            "results": _RESULTS,
            "meanings": {code: MEANINGS.get(code, "") for code in sorted(warnings)},
            "columns": list(images[0]) if images else [],
            "images": [list(image.values()) for image in images],
        },
    )  # fmt: skip


def _histogram(rows: Sequence[Mapping[str, Any]], thresholds: Sequence[float]) -> dict[str, Any]:
    """Count scores in 20 bins by decision; a score of 100 is in the last."""
    by_kind = {kind: [row["score_0_100"] for row in rows if (row["decision"] or UNDECIDED) == kind] for kind in _SHADES}
    counts = {kind: np.histogram(scores, _BINS, (0, 100))[0].tolist() for kind, scores in by_kind.items()}
    numbers, width = [sum(each) for each in zip(*counts.values(), strict=True)], 100 // _BINS
    return {
        "images": len(rows),
        "bars": [
            {
                "low": i * width,
                "high": (i + 1) * width,
                "number": number,
                "parts": [(_SHADES[kind], each[i]) for kind, each in counts.items() if each[i]],
            }
            for i, number in enumerate(numbers)
        ],
        "tallest": max(numbers),
        "thresholds": thresholds,
        "key": [(kind, _SHADES[kind]) for kind, scores in by_kind.items() if scores],
    }


def _entry(row: Mapping[str, Any], page_link: str, picture: str) -> dict[str, Any]:
    """What the table shows of an image; `batch_page.js` reads these keys."""
    return {
        "name": row["name"],
        "page": page_link,
        "picture": picture,
        "score": row["score_0_100"],
        "threshold": row["threshold_0_100"],
        "result": row["status"] if row["status"] != DONE else row["decision"] or UNDECIDED,
        "boxes": row["n_boxes"],
        "codes": [row["reason"]] * bool(row["reason"]) + codes(row["warnings"]),
    }


def _facts(rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> dict[str, Any]:
    facts = {"model": "; ".join(sorted({str(row["model_version"]) for row in rows if row["model_version"]}))}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            facts |= {f"{key}, {inner}": each for inner, each in value.items()}
        elif key != "model_version":
            facts[key] = value
    return facts
