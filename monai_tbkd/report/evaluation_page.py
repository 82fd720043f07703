"""The report of an evaluation: one HTML file with all it shows."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.metrics import Predictions
from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.metrics.comparison_table import SOURCE_COLUMNS, resampled
from monai_tbkd.report import evaluation_charts as charts
from monai_tbkd.report import evaluation_tables as tables
from monai_tbkd.report.evaluation_images import Fit, image_groups
from monai_tbkd.report.html_page import page, write_page
from monai_tbkd.report.image_pictures import color_key
from monai_tbkd.report.robustness_section import robustness_section

logger = logging.getLogger(__name__)

FILE = "report.html"
_METRICS, _ROBUSTNESS = "metrics.json", "robustness.json"


def write_evaluation_page(
    output_dir: str | Path,
    result: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
    predictions: Mapping[str, Mapping[str, Predictions]],
    fit: Fit,
    robustness: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``report.html``: tables, curves, images, provenance and definitions, all in one file that loads nothing.

    Args:
        output_dir: gets the file; the hash of ``metrics.json`` there goes into it.
        result: of the comparison, as in ``metrics.json``.
        items: datalist items of the reported split.
        predictions: by network, with a ``test`` split in the order of the items.
        fit: from an operating point to the box fitting that was scored.
        robustness: content of ``robustness.json``, or None.
    """
    positive = np.array([item["class_name"] == "tb" for item in items])
    scores = {name: np.asarray(p["test"].scores) for name, p in predictions.items() if p["test"].scores is not None}
    drawn: dict[str, Any] = {
        "groups": image_groups(items, predictions, result, fit, tables.main_network(result)),
        "scores": _scores(result, scores, positive) if positive.any() and not positive.all() else None,
    }
    return _write(Path(output_dir), result, drawn, {}, robustness)


def refresh_evaluation_page(output_dir: str | Path) -> Path:
    """Write ``report.html`` again from ``metrics.json`` and ``robustness.json`` of an evaluation's ``output_dir``.

    Images and score curves are kept if the report there is of the same ``metrics.json``; otherwise the new one has
    none, and the log says so.

    Raises:
        FileNotFoundError: no ``metrics.json`` there.
        ValueError: it is not of an evaluation.
    """
    folder = Path(output_dir)
    path = folder / _METRICS
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}; give the output_dir of an evaluation (evaluate.yaml).")
    result = json.loads(read_text(path))
    if not isinstance(result, dict) or "predictors" not in result or "splits" not in result:
        raise ValueError(f"{path} has no predictors and splits; expected what an evaluation (evaluate.yaml) wrote.")
    old = (folder / FILE).read_text(encoding="utf-8") if (folder / FILE).is_file() else ""
    kept: dict[str, Markup] = {}
    if str(_metrics_sha256(folder)) in old:
        for name in ("scores", "images"):
            if found := re.search(rf'<section id="{name}">\s*<h2>.*?</h2>(.*?)</section>', old, re.DOTALL):
                kept[name] = Markup(found[1])
    if not kept:
        logger.warning("%s: no report of these metrics to take images and curves from; it will have none.", folder)
    drawn: dict[str, Any] = {"groups": [], "scores": None if "scores" in kept else _scores(result)}
    return _write(folder, result, drawn, kept, read_robustness(folder, result))


def read_robustness(output_dir: str | Path, result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read ``robustness.json`` if there is one of the networks of ``result``, which have the same thresholds."""
    path = Path(output_dir) / _ROBUSTNESS
    if not path.is_file():
        return None
    study: dict[str, Any] = json.loads(read_text(path))
    for name, row in study["networks"].items():
        here, there = (result["predictors"].get(name) or {}).get("operating_point"), row["operating_point"]
        keys = ("map_threshold", "score_threshold")
        if here is None or not all(math.isclose(here[key], there[key], abs_tol=1e-4) for key in keys):
            logger.warning("%s is of another %s than these metrics and is left out; run the study anew.", path, name)
            return None
    return study


def _write(
    folder: Path,
    result: Mapping[str, Any],
    drawn: Mapping[str, Any],
    kept: Mapping[str, Markup],
    robustness: Mapping[str, Any] | None,
) -> Path:
    rows, main, test = result["predictors"], tables.main_network(result), result["splits"]["test"]
    kind = "Networks trained on image-level labels"
    if "inputs" in result["provenance"]:
        kind = "Maps and boxes that were made elsewhere"
    networks = {name: row for name, row in rows.items() if not row["blind"]}
    pictures = {}
    if localized := "union_mask_miou" in rows[main]:
        pictures = {
            "forest": charts.forest_chart(rows, "union_mask_miou", "union-mask mIoU"),
            "thresholds": charts.threshold_chart(rows),
            "accuracy": charts.accuracy_chart(rows),
        }
        for key, label in (("froc", "false boxes an image"), ("froc_without_tb", "false boxes an image without TB")):
            if key in rows[main]:
                pictures[key] = charts.froc_chart(rows, key, label)
    html = page(
        "evaluation.html", "Evaluation report", str(result["notice"]),
        result=result, rows=rows, main=main, row=rows[main], test=test, kind=kind, localized=localized,
        given=any(row["operating_point"]["chosen_on"].startswith("given") for row in networks.values()),
        resampled=resampled(test),
        others=sorted(set(networks) - {main}, key=["control", "teacher", *rows].index),
        pairs=tables.pairs(networks),
        sources=tables.by_source(result),
        source_columns=list(SOURCE_COLUMNS[1:]),
        compared={name: row for name, row in rows.items() if name in networks or name == BLIND_PRIOR},
        charts={name: charts.svg_uri(chart) for name, chart in pictures.items()},
        scores=drawn["scores"],
        groups=drawn["groups"],
        key=color_key(),
        kept=kept,
        robustness=robustness_section(robustness) if robustness else "",
        provenance=tables.provenance(result, _metrics_sha256(folder)),
    )  # fmt: skip
    return write_page(folder / FILE, html)


def _scores(
    result: Mapping[str, Any], scores: Mapping[str, np.ndarray] | None = None, positive: np.ndarray | None = None
) -> dict[str, Any] | None:
    """Charts and tables of image-level scores ``(N,)``, those that there are; None where no network gives scores."""
    rows, main = result["predictors"], tables.main_network(result)
    order = sorted((name for name, row in rows.items() if row.get("auc")), key=lambda name: name != main)
    if not order:
        return None
    found: dict[str, Any] = {
        "first": order[0],
        "n": rows[order[0]]["auc"]["n"],
        "rows": {name: row for name, row in rows.items() if row.get("auc")},
        "charts": {"reliability": charts.reliability_chart(rows, order)},
        "decisions": None,
    }
    if scores and positive is not None:
        known = {name: scores[name] for name in order if name in scores}
        first = next(iter(known))
        threshold = rows[first]["operating_point"]["score_threshold"]
        color = charts.color_of(first, rows)
        found["charts"] |= {
            "roc": charts.roc_chart(rows, known, positive),
            "precision_recall": charts.precision_recall_chart(rows, known, positive),
            "histogram": charts.score_chart(known[first], positive, threshold, first.replace("_", " "), color),
        }
        found |= {
            "first_scored": first,
            "positive": int(positive.sum()),
            "negative": int((~positive).sum()),
            "decisions": tables.decisions(result, known, positive),
        }
    found["charts"] = {name: charts.svg_uri(chart) for name, chart in found["charts"].items()}
    return found


def _metrics_sha256(folder: Path) -> str | None:
    path = folder / _METRICS
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
