"""The report of an evaluation: one HTML file with all it shows."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.metrics import Comparison, Predictions
from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.metrics.bootstrap import wilson
from monai_tbkd.metrics.comparison_table import SOURCE_COLUMNS, resampled, source_rows
from monai_tbkd.report import evaluation_charts as charts
from monai_tbkd.report.evaluation_images import image_groups
from monai_tbkd.report.html_page import page, render, words, write_page
from monai_tbkd.report.image_pictures import color_key
from monai_tbkd.results.prediction_table import as_written

logger = logging.getLogger(__name__)

FILE = "report.html"
_METRICS, _ROBUSTNESS = "metrics.json", "robustness.json"


def main_network(result: Mapping[str, Any]) -> str:
    """Name the network that the report is about: the student, or else the first."""
    networks = [name for name, row in result["predictors"].items() if not row["blind"]]
    return "student" if "student" in networks else networks[0]


def in_order(names: Iterable[str]) -> list[str]:
    """Sort networks: the student, teacher and control first."""
    first = ("student", "teacher", "control")
    return sorted(names, key=lambda name: first.index(name) if name in first else len(first))


def write_evaluation_page(
    output_dir: str | Path,
    result: Mapping[str, Any],
    comparison: Comparison,
    predictions: Mapping[str, Mapping[str, Predictions]],
    robustness: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``report.html``: tables, curves, images, provenance and definitions, all in one file that loads nothing.

    Args:
        output_dir: gets the file; the hash of ``metrics.json`` there goes into it.
        result: as in ``metrics.json``.
        comparison: that was run.
        predictions: by network, with a ``test`` split.
        robustness: content of ``robustness.json``, or None.
    """
    positive = comparison.truth["test"].tb
    scores = {name: np.asarray(p["test"].scores) for name, p in predictions.items() if p["test"].scores is not None}
    drawn: dict[str, Any] = {
        "groups": image_groups(comparison, predictions, result, main_network(result)),
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
    rows, main, test = result["predictors"], main_network(result), result["splits"]["test"]
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
        pairs=list(combinations(in_order(networks), 2)),
        sources=_by_source(result),
        source_columns=list(SOURCE_COLUMNS[1:]),
        compared={name: row for name, row in rows.items() if name in networks or name == BLIND_PRIOR},
        charts={name: charts.svg_uri(chart) for name, chart in pictures.items()},
        scores=drawn["scores"],
        groups=drawn["groups"],
        key=color_key(),
        kept=kept,
        robustness=_robustness(robustness) if robustness else "",
        provenance=_provenance(result, _metrics_sha256(folder)),
    )  # fmt: skip
    return write_page(folder / FILE, html)


def _scores(
    result: Mapping[str, Any], scores: Mapping[str, np.ndarray] | None = None, positive: np.ndarray | None = None
) -> dict[str, Any] | None:
    """Charts and tables of image-level scores ``(N,)``, those that there are; None where no network gives scores."""
    rows, main = result["predictors"], main_network(result)
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
            "decisions": _decisions(result, known, positive),
        }
    found["charts"] = {name: charts.svg_uri(chart) for name, chart in found["charts"].items()}
    return found


def _metrics_sha256(folder: Path) -> str | None:
    path = folder / _METRICS
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _by_source(result: Mapping[str, Any]) -> dict[str, list[tuple[str, ...]]]:
    """Group the rows of `source_rows` by hospital."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    for source, *cells in source_rows(result):
        groups.setdefault(as_written(source), []).append(tuple(cells))
    return groups


def _decisions(
    result: Mapping[str, Any], scores: Mapping[str, np.ndarray], positive: np.ndarray
) -> dict[str, list[Any]]:
    """Count images called TB at the chosen score thresholds, by network.

    Returns:
        Threshold, sensitivity and specificity with Wilson intervals, true positives, missed, false positives and true
        negatives.
    """
    found: dict[str, list[Any]] = {}
    for name, values in scores.items():
        threshold = result["predictors"][name]["operating_point"]["score_threshold"]
        called, of = values >= threshold, np.array([positive.sum(), (~positive).sum()])
        hits = np.array([(called & positive).sum(), (~called & ~positive).sum()])
        rate = wilson(hits, of)
        both = [{"value": v, "low": lo, "high": hi} for v, lo, hi in zip(rate.value, rate.low, rate.high)]
        counts = (hits[0], of[0] - hits[0], of[1] - hits[1], hits[1])
        found[name] = [f"{threshold:.3f}", *both, *(str(int(count)) for count in counts)]
    return found


def _provenance(result: Mapping[str, Any], metrics_sha256: str | None) -> dict[str, Any]:
    """Collect data, settings, checkpoints, inputs and versions; the hash is that of ``metrics.json``."""
    origin, splits = result["provenance"], result["splits"]
    data = {}
    for split, sha256 in {"train": origin["settings"].get("train_sha256"), **origin["splits_sha256"]}.items():
        counts = splits.get(split) or {"images": origin["settings"].get("train_images")}
        data[split] = ", ".join(f"{n} {words(name)}" for name, n in counts.items() if n is not None)
        data[f"{split}, SHA-256"] = sha256
    own = ("notice", "definitions", "provenance", "splits", "predictors", "checkpoints")
    run = {key: value for key, value in result.items() if key not in own}
    run |= {"metrics.json, SHA-256": metrics_sha256} if metrics_sha256 else {}
    run |= {k: v for k, v in origin.get("evaluation", {}).items() if k not in result} | origin["settings"]
    checkpoints = {}
    for name, record in result["checkpoints"].items():
        record = record or {}
        top = {k: v for k, v in record.items() if k in ("sha256", "epochs", "version")}
        checkpoints[name] = {**(record.get("settings") or {}), **(record.get("architecture") or {})}
        checkpoints[name] = top | {k: v for k, v in checkpoints[name].items() if k not in top}
    inputs = {
        name: {words(k): (" ".join(v) or "none") if k == "warnings" else v for k, v in read.items()}
        for name, read in origin.get("inputs", {}).items()
    }
    return {
        "data": data,
        "run": {words(key): value for key, value in run.items()},
        "checkpoints": checkpoints,
        "inputs": inputs,
        "versions": origin["versions"],
    }


def _robustness(study: Mapping[str, Any]) -> Markup:
    """Render curves over the severity of corruptions, and tables of cues, occlusions and sanity checks."""
    networks = study["networks"]
    return render(
        "robustness.html",
        study=study,
        test=study["splits"]["test"],
        resampled=resampled(study["splits"]["test"]),
        colors={name: charts.color_of(name, networks) for name in networks},
        charts=_corruption_charts(study) if any(row.get("corruptions") for row in networks.values()) else [],
        groups={what: _by_kind(study, what) for what in ("cues", "occlusions")},
        sanity=_sanity(study.get("saliency_sanity") or {}),
    )


def _corruption_charts(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A figure per metric with a chart per kind of corruption."""
    test, networks, figures = study["splits"]["test"], study["networks"], []
    for metric, label, n, chance in (
        ("union_mask_miou", "Union-mask mIoU", test["tb_images_with_boxes"], None),
        ("auc", "AUC", test["images"], 0.5),
    ):
        highest = max((row["clean"][metric]["high"] or 0.0) for row in networks.values())
        limits = (0.0, 1.02) if metric == "auc" else (0.0, max(1.25 * highest, 0.05))
        pictures = {}
        for kind in study["corruption_levels"]:
            curves = {
                name: {"0": row["clean"][metric]}
                | {s: x[metric] for s, x in row["corruptions"][kind].items() if s != "mean"}
                for name, row in networks.items()
            }
            title = kind.replace("_", " ")
            pictures[title] = charts.svg_uri(charts.severity_chart(title, curves, label, limits, chance))
        figures.append({"label": label, "n": n, "charts": pictures})
    return figures


def _by_kind(study: Mapping[str, Any], what: str) -> dict[str, list[tuple[str, Any]]]:
    """Numbers of each network by kind of cue or occlusion and its meaning."""
    meaning = study["definitions"].get(what, {})
    groups: dict[str, list[tuple[str, Any]]] = {}
    for name, row in study["networks"].items():
        for kind, found in row.get(what, {}).items():
            title = words(kind) + (f": {meaning[kind]}" if kind in meaning else "")
            groups.setdefault(title, []).append((words(name), found))
    return groups


def _sanity(sanity: Mapping[str, Any]) -> dict[str, list[tuple[str, Any]]]:
    groups: dict[str, list[tuple[str, Any]]] = {}
    what = {"trained": "as trained", "head": "random head", "chance": "chance: the map of another image"}
    for name, stages in sanity.get("cascade", {}).items():
        groups[f"randomized, {words(name)}"] = [
            (what.get(stage, f"random from the head down to {stage}"), numbers) for stage, numbers in stages.items()
        ]
    for check in ("reproducibility", "repeatability"):
        for pair, numbers in sanity.get(check, {}).items():
            groups.setdefault(check, []).extend([(words(pair), numbers), ("chance: another image", numbers["chance"])])
    return groups
