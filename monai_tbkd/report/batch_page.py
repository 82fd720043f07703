"""Page of all images of an inference: counts, scores, reasons, and a table to search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monai_tbkd.metrics.calibrated_threshold import BEFORE_USE
from monai_tbkd.report.html_page import decimals, page
from monai_tbkd.report.image_page import MEANINGS, codes
from monai_tbkd.results.prediction_table import DONE, FAILED, NO_TB, REFUSED, TB
from monai_tbkd.transforms import notice_of

AT_ONCE = 100
"""Rows shown at first; without a script these and no more."""
UNDECIDED = "no decision"
_BINS = 20
_SHADES = {TB: "tb", NO_TB: "no-tb", UNDECIDED: "undecided"}
_RESULTS = {TB: TB, NO_TB: NO_TB, UNDECIDED: "scored, no decision", REFUSED: "refused", FAILED: "failed"}


def batch_page(
    rows: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    links: Mapping[str, tuple[str, str]],
    unfinished: str = "",
) -> str:
    """Render the page of all images; it holds all rows and shows a hundred at a time.

    Args:
        rows: as in ``predictions.json``.
        settings: of the run.
        links: by image the addresses of its page and its thumbnail, relative to this page; either may be empty.
        unfinished: what to say of a run that ended early; nothing if empty.
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
        facts=_provenance(rows, settings),
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


def _provenance(rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> dict[str, Any]:
    facts = {"model": "; ".join(sorted({str(row["model_version"]) for row in rows if row["model_version"]}))}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            facts |= {f"{key}, {inner}": each for inner, each in value.items()}
        elif key != "model_version":
            facts[key] = value
    return facts
