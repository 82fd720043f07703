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

from monai_tbkd.data.outside_text import read_text
from monai_tbkd.metrics import Predictions
from monai_tbkd.report import evaluation_sections as sections
from monai_tbkd.report import evaluation_tables as tables
from monai_tbkd.report.evaluation_films import Fit, film_figures
from monai_tbkd.report.html_page import page, section, write_page
from monai_tbkd.report.robustness_section import robustness_section

logger = logging.getLogger(__name__)

FILE = "report.html"
_METRICS, _ROBUSTNESS = "metrics.json", "robustness.json"
# what only the evaluation itself can draw: it has the films and a score for each
_OF_FILMS = ("scores", "films")


def write_evaluation_page(
    output_dir: str | Path,
    result: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
    predictions: Mapping[str, Mapping[str, Predictions]],
    fit: Fit,
    robustness: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``report.html``: tables, curves, films, provenance and definitions, all in one file that loads nothing.

    Args:
        output_dir: gets the file; the hash of ``metrics.json`` there goes into it.
        result: of the comparison, as in ``metrics.json``.
        items: datalist items of the reported split.
        predictions: by network, with a ``test`` split in the order of the items.
        fit: from an operating point to the box fitting that was scored.
        robustness: content of ``robustness.json``, or None.

    Returns:
        The file.
    """
    main = tables.main_network(result)
    positive = np.array([item["class_name"] == "tb" for item in items])
    scores = {name: np.asarray(p["test"].scores) for name, p in predictions.items() if p["test"].scores is not None}
    whole = bool(positive.any() and not positive.all())
    drawn = {
        "scores": section(
            "scores", "Scores of whole films", sections.film_scores(result, scores, positive) if whole else ""
        ),
        "films": section("films", "Films: best, median, worst", film_figures(items, predictions, result, fit, main)),
    }
    return _write(Path(output_dir), result, drawn, robustness)


def refresh_evaluation_page(output_dir: str | Path) -> Path:
    """Write ``report.html`` anew from ``metrics.json`` and ``robustness.json``, as after a robustness study.

    What the evaluation drew of films and scores is kept if the report there is of the same ``metrics.json``; otherwise
    the new one has none of it, and the log says so.

    Args:
        output_dir: of the evaluation.

    Returns:
        The file.

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
    kept: dict[str, str] = {}
    if str(_metrics_sha256(folder)) in old:
        found = ((name, re.search(rf'<section id="{name}">.*?</section>', old, re.DOTALL)) for name in _OF_FILMS)
        kept = {name: match.group() for name, match in found if match}
    if not kept:
        logger.warning("%s: no report of these metrics to take films and curves from; it will have none.", folder)
    return _write(folder, result, kept, read_robustness(folder, result))


def read_robustness(output_dir: str | Path, result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Content of ``robustness.json``, if there is one of the same networks.

    Args:
        output_dir: where it is.
        result: of the comparison; the thresholds of a study of the same networks are the same.
    """
    path = Path(output_dir) / _ROBUSTNESS
    if not path.is_file():
        return None
    study: dict[str, Any] = json.loads(read_text(path))
    for name, row in study["networks"].items():
        here = (result["predictors"].get(name) or {}).get("operating_point")
        there = row["operating_point"]
        same = here is not None and all(
            math.isclose(here[key], there[key], abs_tol=1e-4) for key in ("map_threshold", "score_threshold")
        )
        if not same:
            logger.warning("%s is of another %s than these metrics and is left out; run the study anew.", path, name)
            return None
    return study


def _write(
    folder: Path, result: Mapping[str, Any], drawn: Mapping[str, str], robustness: Mapping[str, Any] | None
) -> Path:
    parts = {
        "localization": section("localization", "Localization", sections.localization(result)),
        "lesions": section("lesions", "Kinds of lesion", sections.lesions(result)),
        "scores": drawn.get("scores") or section("scores", "Scores of whole films", sections.film_scores(result)),
        "films": drawn.get("films", ""),
        "robustness": section("robustness", "Robustness", robustness_section(robustness) if robustness else ""),
        "provenance": section(
            "provenance", "Data and model provenance", tables.provenance_tables(result, _metrics_sha256(folder))
        ),
        "definitions": section("definitions", "Definitions", tables.definition_list(result)),
    }
    there = {name: html for name, html in parts.items() if html}
    body = "\n".join([sections.head(result, there), *there.values()])
    return write_page(folder / FILE, page("Evaluation report", str(result["notice"]), body))


def _metrics_sha256(folder: Path) -> str | None:
    path = folder / _METRICS
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
