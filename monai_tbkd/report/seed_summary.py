"""Evaluations of networks that differ in their seed alone, as one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from monai_tbkd.data.datalist_error import name_first
from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.metrics.bootstrap import Statistic, summarize_seeds, weighted_mean
from monai_tbkd.metrics.image_level import weighted_image_level
from monai_tbkd.report.film_table import FILE as FILM_TABLE
from monai_tbkd.report.film_table import FilmTable, read_film_table
from monai_tbkd.transforms import NOTICE

SCHEMA_VERSION = 1
DEFINITIONS = {
    "mean": "of the seeds' numbers, each over the same films",
    "sd": "standard deviation over seeds, with n - 1",
    "over_films": (
        "95 % percentile bootstrap of the mean over films, or patients where they are known, of these very networks"
    ),
    "over_seeds_and_films": (
        "95 % percentile bootstrap that draws seeds as well as films (Owen, Annals of Applied Statistics 2007): what "
        "other seeds would give on other films. Of 3 seeds it is a rough guide, and too narrow"
    ),
    "minus": "paired: the same films and seeds in each resample",
}
# what may differ from one seed to the next: each student has a teacher of its own
_OF_A_SEED = ("seed", "teacher_sha256")


class Run(NamedTuple):
    """An evaluation's results."""

    name: str
    metrics: dict[str, Any]
    films: FilmTable
    metrics_sha256: str


def read_run(folder: str | Path) -> Run:
    """Read ``metrics.json`` and ``films.csv`` of an evaluation.

    Raises:
        ValueError: they are not there, or of another form.
    """
    folder = Path(folder)
    path = folder / "metrics.json"
    try:
        raw = path.read_bytes()
        metrics = json.loads(raw)
        if not {"predictors", "provenance", "checkpoints"} <= set(metrics):
            raise ValueError("no predictors in it")
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: not what an evaluation (evaluate.yaml) wrote ({error}).") from error
    return Run(folder.name, metrics, read_film_table(folder / FILM_TABLE), hashlib.sha256(raw).hexdigest())


def summarize_runs(runs: Sequence[Run], resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Means over seeds with intervals, of every predictor that all runs have.

    Args:
        runs: of networks that differ in their seed.
        resamples: bootstrap samples.
        seed: of the resampling.

    Returns:
        JSON-able: ``runs``, ``splits``, and ``predictors`` with ``union_mask_miou``, ``pointing_game``, ``auc`` and
        their paired differences, each as `SeedSummary` has it.

    Raises:
        ValueError: fewer than two runs, or runs that differ in more than their seed.
    """
    _refuse_unlike(runs)
    first = runs[0]
    n, positive, patients = len(first.films.names), first.films.positive, first.films.patients

    def summary(statistics: list[Statistic]) -> dict[str, Any]:
        return summarize_seeds(statistics, n, resamples, seed=seed, groups=patients).as_dict()

    def of(name: str, number: str) -> list[np.ndarray]:
        return [run.films.numbers[name][number] for run in runs]

    common = [name for name in first.films.numbers if all(name in run.films.numbers for run in runs)]
    scored = [name for name in common if all("score" in run.films.numbers[name] for run in runs)]
    both = bool(positive.any() and not positive.all())

    def auc(name: str) -> list[Statistic]:
        return [weighted_image_level("auc", scores, positive) for scores in of(name, "score")]

    predictors: dict[str, dict[str, Any]] = {}
    for name in common:
        iou = of(name, "union_mask_iou")
        row: dict[str, Any] = {
            "blind": bool(first.metrics["predictors"][name]["blind"]),
            "films": int((~np.isnan(iou[0])).sum()),
            "union_mask_miou": summary([weighted_mean(each) for each in iou]),
            "pointing_game": summary([weighted_mean(each) for each in of(name, "pointing")]),
            "auc": summary(auc(name)) if name in scored and both else None,
            "union_mask_miou_minus": {
                other: summary([weighted_mean(a - b) for a, b in zip(iou, of(other, "union_mask_iou"), strict=True)])
                for other in common
                if other != name
            },
        }
        if name in scored and both:
            row["auc_minus"] = {
                other: summary([_minus(a, b) for a, b in zip(auc(name), auc(other), strict=True)])
                for other in scored
                if other != name
            }
        if not row["blind"] and BLIND_PRIOR in row["union_mask_miou_minus"]:
            difference = row["union_mask_miou_minus"][BLIND_PRIOR]
            row["seeds_above_blind_prior"] = sum(
                run.metrics["predictors"][name].get("above_blind_prior") is True for run in runs
            )
            row["above_blind_prior"] = bool(difference["over_seeds_and_films"]["low"] > 0)
        predictors[name] = row
    return {
        "schema_version": SCHEMA_VERSION,
        "notice": NOTICE,
        "definitions": DEFINITIONS,
        "version": first.metrics.get("version"),
        "runs": [
            {"name": run.name, "seed": run.metrics.get("seed"), "metrics_sha256": run.metrics_sha256} for run in runs
        ],
        "splits": first.metrics["splits"],
        "splits_sha256": first.metrics["provenance"]["splits_sha256"],
        "predictors": predictors,
    }


def seed_table(result: Mapping[str, Any]) -> str:
    """The summary as text: a row a predictor, means with their interval over seeds and films, spread over seeds."""
    rows = [("predictor", "union-mask mIoU", "sd", "minus blind prior", "pointing game", "AUC", "above in")]
    for name, row in result["predictors"].items():
        above = "-"
        if "seeds_above_blind_prior" in row:
            above = f"{row['seeds_above_blind_prior']} of {row['union_mask_miou']['seeds']}"
        difference = row["union_mask_miou_minus"].get(BLIND_PRIOR)
        cells = [
            mean_text(row["union_mask_miou"]),
            spread_text(row["union_mask_miou"]),
            *map(mean_text, (difference, row["pointing_game"], row["auc"])),
        ]
        rows.append((name, *cells, above))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    seeds, test = [run["seed"] for run in result["runs"]], result["splits"]["test"]
    note = (
        f"seeds {', '.join(map(str, seeds))}; test: {test['films']} films, {test['tb_films_with_boxes']} TB films with "
        "boxes; means over seeds, 95 % bootstrap intervals over seeds and films"
    )
    return "\n".join([*lines, note])


def mean_text(x: Mapping[str, Any] | None) -> str:
    """A mean over seeds with its interval over seeds and films, or a dash."""
    if not x or x["mean"] is None:
        return "-"
    interval = x["over_seeds_and_films"]
    return f"{x['mean']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"


def spread_text(x: Mapping[str, Any]) -> str:
    """The standard deviation over seeds, or a dash."""
    return "-" if x["sd"] is None else f"{x['sd']:.3f}"


def _minus(a: Statistic, b: Statistic) -> Statistic:
    return lambda weights: a(weights) - b(weights)


def _refuse_unlike(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise ValueError(f"There is {len(runs)} run; expected the evaluations of at least two seeds.")
    first = runs[0]
    of_what: tuple[tuple[str, Callable[[Run], Any]], ...] = (
        ("reported films", lambda run: run.metrics["provenance"]["splits_sha256"]["test"]),
        ("selection films", lambda run: run.metrics["provenance"]["splits_sha256"]["select"]),
        ("films in films.csv", lambda run: (run.films.names, run.films.positive.tolist())),
        ("settings of the evaluation", lambda run: _without(run.metrics["provenance"].get("evaluation", {}))),
        *((f"settings of the {name}", _settings_of(name)) for name in first.metrics["checkpoints"]),
    )
    for what, get in of_what:
        for run in runs[1:]:
            mine, other = get(first), get(run)
            if mine != other:
                keys = [k for k in {**mine, **other} if mine.get(k) != other.get(k)] if isinstance(mine, dict) else []
                named = f" ({name_first(keys)})" if keys else ""
                raise ValueError(
                    f"{first.name} and {run.name} have other {what}{named}; expected runs of other seeds alone."
                )
    weights: dict[str, str] = {}
    for run in runs:
        for name, record in run.metrics["checkpoints"].items():
            sha256 = (record or {}).get("sha256")
            if sha256 in weights and weights[sha256] != run.name:
                raise ValueError(
                    f"{weights[sha256]} and {run.name} have the same {name}; expected another seed's in each."
                )
            if sha256:
                weights[sha256] = run.name


def _settings_of(name: str) -> Callable[[Run], dict[str, Any]]:
    def get(run: Run) -> dict[str, Any]:
        record = run.metrics["checkpoints"].get(name) or {}
        return _without({**(record.get("settings") or {}), **(record.get("architecture") or {})})

    return get


def _without(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in _OF_A_SEED}
