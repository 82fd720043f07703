"""What the report shows of ``metrics.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from monai_tbkd.metrics.comparison_table import source_rows
from monai_tbkd.metrics.proportions import wilson
from monai_tbkd.report.html_page import words
from monai_tbkd.results.prediction_table import as_written


def main_network(result: Mapping[str, Any]) -> str:
    """Name the network that the report is about: the student, or else the first."""
    networks = [name for name, row in result["predictors"].items() if not row["blind"]]
    return "student" if "student" in networks else networks[0]


def pairs(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pair networks, the student, teacher and control first."""
    order = list(dict.fromkeys([n for n in ("student", "teacher", "control") if n in names] + list(names)))
    return [(one, other) for i, one in enumerate(order) for other in order[i + 1 :]]


def by_source(result: Mapping[str, Any]) -> dict[str, list[tuple[str, ...]]]:
    """Group the rows of `source_rows` by hospital."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    for source, *cells in source_rows(result):
        groups.setdefault(as_written(source), []).append(tuple(cells))
    return groups


def decisions(
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


def provenance(result: Mapping[str, Any], metrics_sha256: str | None) -> dict[str, Any]:
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
