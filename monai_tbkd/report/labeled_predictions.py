"""Predictions of films whose class is known."""

from __future__ import annotations

import csv
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_tbkd.data.csv_cells import read_table, written_cell
from monai_tbkd.data.datalist import load_source
from monai_tbkd.data.manifest import load_manifest
from monai_tbkd.data.paths import absolute_path
from monai_tbkd.metrics.calibrated_threshold import INPUT_KINDS, MIXED, input_kind_of
from monai_tbkd.report.prediction_table import DONE, as_written

logger = logging.getLogger(__name__)

_NEEDED = ("name", "status", "score_0_100", "model_version")
Row = dict[str, str]


@dataclass(frozen=True)
class LabeledPredictions:
    """Films that were given to a model, whose class is known, in the order of the predictions.

    Args:
        names: as in the labels.
        scores: 0-100, ``(N,)``; nan for a film without a score.
        positive: which have TB, bool ``(N,)``.
        patients: ids, None where not known.
        splits: the data set's own.
        not_scored: ``name``, ``status``, ``reason`` and ``tb`` of each film without a score.
        model_version: what made the scores.
        input_kind: what kind of films they are.
        without_label: predictions whose class is not known.
        without_prediction: labeled films that were not given to the model.
    """

    names: list[str]
    scores: np.ndarray
    positive: np.ndarray
    patients: list[str | None]
    splits: list[str]
    not_scored: list[dict[str, Any]]
    model_version: str
    input_kind: str
    without_label: list[str]
    without_prediction: list[str]


def read_labeled_predictions(
    predictions: str | Path,
    labels: str | Path,
    input_kind: str | None = None,
    patient_column: str | None = None,
) -> LabeledPredictions:
    """Join ``predictions.csv`` with labels by film name, or else by path.

    Args:
        predictions: what inference wrote.
        labels: a CSV file with ``image`` and ``label`` (and ``patient_id``), or any data set that `load_source` reads,
            all its splits together. The films themselves need not be there.
        input_kind: take only films of this kind, or ``"mixed"`` for all; None demands that there is one kind. Rows
            without a format are taken to be of it.
        patient_column: column of a labels CSV with the patient, where it is not ``patient_id``.

    Raises:
        DatalistError: the labels cannot be read.
        ValueError: the predictions cannot be read, are of several model versions or input kinds, or no film has both a
            prediction and a label.
    """
    path = absolute_path(predictions)
    rows, kind = _of_one_kind(_read(path), input_kind, path)
    items = _labels(labels, patient_column)
    by_name, by_path = _by_name(items), {str(item["image"]): item for item in items}
    pairs = [
        # labels may have been copied out of a table's cells
        (row, by_name.get(row["name"]) or by_name.get(written_cell(row["name"])) or by_path.get(row.get("path") or ""))
        for row in rows
    ]
    joined = [(row, item) for row, item in pairs if item is not None]
    if not joined:
        raise ValueError(
            f"No film of {path} has a label in {labels} (first film {rows[0]['name']!r}, first label "
            f"{items[0]['name']!r}); names are paths under the folder given to inference, or under the labels' own, so "
            "make them the same."
        )
    taken = Counter(item["name"] for _, item in joined)
    if taken.most_common(1)[0][1] > 1:
        raise ValueError(f"{path}: several rows are of the film {taken.most_common(1)[0][0]!r}; keep one a film.")
    scores = np.array([_score(row, path) for row, _ in joined])
    positive = np.array([item["class_name"] == "tb" for _, item in joined])
    done = [row for row, _ in joined if row["status"] == DONE]
    if not done:
        raise ValueError(f"{path}: none of {len(joined)} labeled films has a score; see its column reason.")
    return LabeledPredictions(
        names=[as_written(item["name"]) for _, item in joined],
        scores=scores,
        positive=positive,
        patients=[item.get("patient_id") for _, item in joined],
        splits=[item["split"] for _, item in joined],
        not_scored=[
            {"name": row["name"], "status": row["status"], "reason": row.get("reason") or None, "tb": bool(tb)}
            for (row, _), tb in zip(joined, positive, strict=True)
            if row["status"] != DONE
        ],
        model_version=_one_version(done, path),
        input_kind=kind,
        without_label=[row["name"] for row, item in pairs if item is None],
        without_prediction=sorted({as_written(item["name"]) for item in items} - {as_written(n) for n in taken}),
    )


def _read(path: Path) -> list[Row]:
    try:
        columns, rows = read_table(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: cannot be read as a UTF-8 CSV file ({error}); check the path.") from error
    missing = [column for column in _NEEDED if column not in columns]
    if missing:
        raise ValueError(f"{path}: no column {' and '.join(missing)}; expected predictions.csv as inference writes it.")
    if not rows:
        raise ValueError(f"{path}: no film in it; run inference first.")
    return rows


def _of_one_kind(rows: list[Row], input_kind: str | None, path: Path) -> tuple[list[Row], str]:
    """The rows to take, and their kind."""
    if input_kind == MIXED:
        return rows, MIXED
    if input_kind is not None:
        if input_kind not in INPUT_KINDS:
            raise ValueError(f"input_kind is {input_kind!r}; expected one of {', '.join(INPUT_KINDS)}.")
        chosen = [row for row in rows if input_kind_of(row.get("source_format")) in (input_kind, None)]
        if not any(row["status"] == DONE for row in chosen):
            raise ValueError(f"{path}: no scored film of kind {input_kind}; see its column source_format.")
        return chosen, input_kind
    counts = Counter(input_kind_of(row.get("source_format")) or "" for row in rows if row["status"] == DONE)
    if "" in counts:
        raise ValueError(
            f"{path}: scored films without a known source_format; say what they are with --input_kind "
            f"({', '.join(INPUT_KINDS)})."
        )
    if len(counts) > 1:
        found = ", ".join(f"{number} {kind}" for kind, number in counts.most_common())
        raise ValueError(
            f"{path}: films of several input kinds ({found}), which models score differently; choose one with "
            f"--input_kind, or take them together with --input_kind {MIXED}."
        )
    if not counts:
        raise ValueError(f"{path}: none of {len(rows)} films has a score; see its column reason.")
    return rows, next(iter(counts))


def _one_version(rows: Sequence[Row], path: Path) -> str:
    versions = sorted({row["model_version"] for row in rows})
    if len(versions) > 1 or not versions[0]:
        found = "; ".join(version or "none" for version in versions)
        raise ValueError(f"{path}: scores of several model versions or of none ({found}); calibrate one at a time.")
    return versions[0]


def _score(row: Row, path: Path) -> float:
    if row["status"] != DONE:
        return math.nan
    try:
        score = float(row["score_0_100"])
    except ValueError:
        score = math.nan
    if not 0 <= score <= 100:
        raise ValueError(f"{path}: the film {row['name']!r} is done and scores {row['score_0_100']!r}; expected 0-100.")
    return score


def _labels(labels: str | Path, patient_column: str | None) -> list[dict[str, Any]]:
    source = absolute_path(labels)
    if patient_column is None:
        return load_source(source)
    table = source / "manifest.csv" if source.is_dir() else source
    items = load_manifest(table)
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if patient_column not in (rows[0] if rows else {}):
        raise ValueError(f"{table}: no column {patient_column}; name the column that holds the patient.")
    patients = ((row[patient_column] or "").strip() or None for row in rows)
    return [{**item, "patient_id": patient} for item, patient in zip(items, patients, strict=True)]


def _by_name(items: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for item in items:
        before = found.setdefault(as_written(item["name"]), item)
        if before["class_name"] != item["class_name"]:
            raise ValueError(
                f"The labels name the film {as_written(item['name'])!r} twice, as {before['class_name']} and as "
                f"{item['class_name']}; keep one."
            )
    return found
