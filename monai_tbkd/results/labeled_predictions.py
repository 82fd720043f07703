"""Join predictions with the labels of their images."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_tbkd.data.files.csv_cells import read_table, written_cell
from monai_tbkd.data.files.paths import absolute_path
from monai_tbkd.data.lists.datalist import load_source
from monai_tbkd.data.lists.manifest import load_manifest
from monai_tbkd.metrics.calibrated_threshold import INPUT_KINDS, MIXED, input_kind_of
from monai_tbkd.results.prediction_table import DONE, as_written

_NEEDED = ("name", "status", "score_0_100", "model_version")
Row = dict[str, str]


@dataclass(frozen=True)
class LabeledPredictions:
    """Predictions of images with a known class, in the order of the predictions."""

    names: list[str]  # as in the labels
    scores: np.ndarray  # 0-100, (N,); nan without a score
    positive: np.ndarray  # bool (N,)
    patients: list[str | None]
    splits: list[str]
    not_scored: list[dict[str, Any]]  # name, status, reason and tb
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
    """Join ``predictions.csv`` with labels by image name, or else by path.

    Args:
        predictions: what inference wrote.
        labels: a CSV file with ``image`` and ``label`` (and ``patient_id``), or any data set that `load_source` reads,
            all splits together. The images need not be there.
        input_kind: take only images of this kind or of unknown format, or ``"mixed"`` for all; None demands one kind.
        patient_column: patient column of a labels CSV, if it is not ``patient_id``.

    Raises:
        DatalistError: the labels cannot be read.
        ValueError: the predictions cannot be read, have several model versions or input kinds, or none has a label.
    """
    path = absolute_path(predictions)
    rows, kind = _of_one_kind(_read(path), input_kind, path)
    items = _labels(labels, patient_column)
    by_name, by_path = _by_name(items), {str(item["image"]): item for item in items}
    pairs = [
        # labels may have been copied from the table's cells
        (row, by_name.get(row["name"]) or by_name.get(written_cell(row["name"])) or by_path.get(row.get("path") or ""))
        for row in rows
    ]
    joined = [(row, item) for row, item in pairs if item is not None]
    if not joined:
        raise ValueError(
            f"No image of {path} has a label in {labels} (first image {rows[0]['name']!r}, first label "
            f"{items[0]['name']!r}); names are paths under the folder given to inference, or under the labels' own, so "
            "make them the same."
        )
    taken = Counter(item["name"] for _, item in joined)
    name, number = taken.most_common(1)[0]
    if number > 1:
        raise ValueError(f"{path}: several rows are of the image {name!r}; keep one an image.")
    scores = np.array([_score(row, path) for row, _ in joined])
    if np.isnan(scores).all():
        raise ValueError(f"{path}: none of {len(joined)} labeled images has a score; see its column reason.")
    versions = sorted({row["model_version"] for row, _ in joined if row["status"] == DONE})
    if len(versions) > 1 or not versions[0]:
        found = "; ".join(version or "none" for version in versions)
        raise ValueError(f"{path}: scores of several model versions or of none ({found}); calibrate one at a time.")
    positive = [item["class_name"] == "tb" for _, item in joined]
    return LabeledPredictions(
        names=[as_written(item["name"]) for _, item in joined],
        scores=scores,
        positive=np.array(positive),
        patients=[item.get("patient_id") for _, item in joined],
        splits=[item["split"] for _, item in joined],
        not_scored=[
            {"name": row["name"], "status": row["status"], "reason": row.get("reason") or None, "tb": tb}
            for (row, _), tb in zip(joined, positive, strict=True)
            if row["status"] != DONE
        ],
        model_version=versions[0],
        input_kind=kind,
        without_label=[row["name"] for row, item in pairs if item is None],
        without_prediction=sorted({as_written(item["name"]) for item in items} - {as_written(n) for n in taken}),
    )


def _read(path: Path) -> list[Row]:
    try:
        columns, rows = read_table(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: cannot be read as a UTF-8 CSV file ({error}); check the path.") from error
    if missing := [column for column in _NEEDED if column not in columns]:
        raise ValueError(f"{path}: no column {' and '.join(missing)}; expected predictions.csv as inference writes it.")
    if not rows:
        raise ValueError(f"{path}: no image in it; run inference first.")
    return rows


def _of_one_kind(rows: list[Row], input_kind: str | None, path: Path) -> tuple[list[Row], str]:
    """Select the rows of an input kind, or find the only kind."""
    if input_kind == MIXED:
        return rows, MIXED
    if input_kind is not None:
        if input_kind not in INPUT_KINDS:
            raise ValueError(f"input_kind is {input_kind!r}; expected one of {', '.join(INPUT_KINDS)}.")
        chosen = [row for row in rows if input_kind_of(row.get("source_format")) in (input_kind, None)]
        if not any(row["status"] == DONE for row in chosen):
            raise ValueError(f"{path}: no scored image of kind {input_kind}; see its column source_format.")
        return chosen, input_kind
    counts = Counter(input_kind_of(row.get("source_format")) or "" for row in rows if row["status"] == DONE)
    if not counts:
        raise ValueError(f"{path}: none of {len(rows)} images has a score; see its column reason.")
    if "" in counts:
        raise ValueError(
            f"{path}: scored images without a known source_format; say what they are with --input_kind "
            f"({', '.join(INPUT_KINDS)})."
        )
    if len(counts) > 1:
        found = ", ".join(f"{number} {kind}" for kind, number in counts.most_common())
        raise ValueError(
            f"{path}: images of several input kinds ({found}), which models score differently; choose one with "
            f"--input_kind, or take them together with --input_kind {MIXED}."
        )
    return rows, next(iter(counts))


def _score(row: Row, path: Path) -> float:
    if row["status"] != DONE:
        return math.nan
    try:
        score = float(row["score_0_100"])
    except ValueError:
        score = math.nan
    if not 0 <= score <= 100:
        raise ValueError(
            f"{path}: the image {row['name']!r} is done and scores {row['score_0_100']!r}; expected 0-100."
        )
    return score


def _labels(labels: str | Path, patient_column: str | None) -> Sequence[Mapping[str, Any]]:
    source = absolute_path(labels)
    if patient_column is None:
        return load_source(source)
    table = source / "manifest.csv" if source.is_dir() else source
    items = load_manifest(table)
    columns, rows = read_table(table)
    if patient_column not in columns:
        raise ValueError(f"{table}: no column {patient_column}; name the column that holds the patient.")
    patients = (row[patient_column].strip() or None for row in rows)
    return [{**item, "patient_id": patient} for item, patient in zip(items, patients, strict=True)]


def _by_name(items: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for item in items:
        before = found.setdefault(as_written(item["name"]), item)
        if before["class_name"] != item["class_name"]:
            raise ValueError(
                f"The labels name the image {as_written(item['name'])!r} twice, as {before['class_name']} and as "
                f"{item['class_name']}; keep one."
            )
    return found
