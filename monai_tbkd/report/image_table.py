"""``images.csv``: the numbers of each reported image that means and intervals are computed from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from monai_tbkd.data.files.atomic_write import atomic_write
from monai_tbkd.data.files.csv_cells import csv_line, read_table
from monai_tbkd.metrics.bootstrap import group_codes
from monai_tbkd.metrics.predictor_measures import PredictorMeasures
from monai_tbkd.metrics.split_truth import SplitTruth
from monai_tbkd.results.prediction_table import as_written

FILE = "images.csv"
NUMBERS = ("union_mask_iou", "box_union_iou", "pointing", "score")


class ImageTable(NamedTuple):
    """The content of ``images.csv``."""

    names: list[str]
    positive: np.ndarray  # which have TB, bool (N,)
    patients: list[str] | None  # a number per patient, None where patients are unknown
    numbers: dict[str, dict[str, np.ndarray]]  # by predictor and one of NUMBERS, (N,); nan where an image has none
    sources: list[str]  # the hospital of each image, empty where unknown


def write_image_table(path: str | Path, truth: SplitTruth, measured: Mapping[str, PredictorMeasures]) -> Path:
    """Write a row per image of the reported split, atomically; patients are numbered, not named.

    ``measured`` are the predictors of a comparison's run.
    """
    codes = group_codes(truth.patients, len(truth.items))
    columns: dict[str, np.ndarray] = {}
    for name, each in measured.items():
        numbers = (each.union_mask_iou, each.box_union_iou, each.pointing, each.scores)
        columns |= {f"{name}.{key}": np.asarray(v, float) for key, v in zip(NUMBERS, numbers) if v is not None}
    path = Path(path)
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        file.write(csv_line(["name", "class", "source", "patient", "boxes", *columns]))
        for i, item in enumerate(truth.items):
            boxes = "" if item["boxes"] is None else len(item["boxes"])
            patient = "" if truth.patients is None else int(codes[i])
            cells = ("" if math.isnan(v[i]) else f"{v[i]:.9g}" for v in columns.values())
            said = [as_written(str(text)) for text in (item["name"], item["class_name"], item.get("source", ""))]
            file.write(csv_line([*said, patient, boxes, *cells]))
    return path


def read_image_table(path: str | Path) -> ImageTable:
    """Read what `write_image_table` wrote; raise ValueError if the file is something else."""
    path = Path(path)
    try:
        _, rows = read_table(path)
        named: dict[str, dict[str, Any]] = {}
        for column in rows[0]:
            predictor, dot, number = column.rpartition(".")
            if dot and number in NUMBERS:
                named.setdefault(predictor, {})[number] = np.array([float(row[column] or "nan") for row in rows])
        patients = [row["patient"] for row in rows]
        return ImageTable(
            [row["name"] for row in rows],
            np.array([row["class"] == "tb" for row in rows]),
            patients if any(patients) else None,
            named,
            [row.get("source") or "" for row in rows],
        )
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a table of images as an evaluation writes it ({error}).") from error
