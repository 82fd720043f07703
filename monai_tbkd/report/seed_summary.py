"""Summarize evaluations of networks that differ only in their seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from monai_tbkd.data.lists.datalist_error import name_first
from monai_tbkd.metrics.blind_baselines import BLIND_PRIOR
from monai_tbkd.metrics.bootstrap import Statistic, summarize_seeds, weighted_mean
from monai_tbkd.metrics.comparison_table import aligned, interval_text
from monai_tbkd.metrics.image_level import weighted_image_level
from monai_tbkd.report.evaluation_charts import seed_chart, svg_uri
from monai_tbkd.report.evaluation_page import in_order
from monai_tbkd.report.html_page import page, write_page
from monai_tbkd.report.image_table import FILE as IMAGE_TABLE
from monai_tbkd.report.image_table import ImageTable, read_image_table
from monai_tbkd.transforms import NOTICE

SCHEMA_VERSION = 1
PAGE = "seeds.html"
DEFINITIONS = {
    "mean": "of the seeds' numbers, each over the same images",
    "sd": "standard deviation over seeds, with n - 1",
    "over_images": (
        "95 % percentile bootstrap of the mean over images, or patients where they are known, of these very networks"
    ),
    "over_seeds_and_images": (
        "95 % percentile bootstrap that draws seeds as well as images (Owen, Annals of Applied Statistics 2007): what "
        "other seeds would give on other images. Of 3 seeds it is a rough guide, and too narrow"
    ),
    "minus": "paired: the same images and seeds in each resample",
}
# may differ between seeds: each student has a teacher of its own
_OF_A_SEED = ("seed", "teacher_sha256")


class Run(NamedTuple):
    """Results of an evaluation."""

    name: str
    metrics: dict[str, Any]
    images: ImageTable
    metrics_sha256: str


def read_run(folder: str | Path) -> Run:
    """Read ``metrics.json`` and ``images.csv`` of an evaluation; raise ValueError if they are missing or different."""
    folder = Path(folder)
    path = folder / "metrics.json"
    try:
        raw = path.read_bytes()
        metrics = json.loads(raw)
        if not {"predictors", "provenance", "checkpoints"} <= set(metrics):
            raise ValueError("no predictors in it")
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: not what an evaluation (evaluate.yaml) wrote ({error}).") from error
    return Run(folder.name, metrics, read_image_table(folder / IMAGE_TABLE), hashlib.sha256(raw).hexdigest())


def summarize_runs(runs: Sequence[Run], resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Compute means over seeds with bootstrap intervals, of every predictor that all runs have, as in ``seeds.json``.

    Raises:
        ValueError: fewer than two runs, or runs that differ in more than their seed.
    """
    _refuse_unlike(runs)
    first = runs[0]
    positive = first.images.positive

    def summary(statistics: list[Statistic]) -> dict[str, Any]:
        groups = first.images.patients
        return summarize_seeds(statistics, len(positive), resamples, seed=seed, groups=groups)

    def differences(name: str, statistics: Mapping[str, list[Statistic]]) -> dict[str, Any]:
        return {
            other: summary([_minus(a, b) for a, b in zip(statistics[name], theirs, strict=True)])
            for other, theirs in statistics.items()
            if other != name
        }

    numbers = [run.images.numbers for run in runs]
    common = [name for name in first.images.numbers if all(name in each for each in numbers)]
    both = bool(positive.any() and not positive.all())
    scored = [name for name in common if both and all("score" in each[name] for each in numbers)]
    ious = {name: [weighted_mean(each[name]["union_mask_iou"]) for each in numbers] for name in common}
    aucs = {name: [weighted_image_level("auc", each[name]["score"], positive) for each in numbers] for name in scored}
    predictors: dict[str, dict[str, Any]] = {}
    for name in common:
        minus = differences(name, ious)
        row: dict[str, Any] = {
            "blind": bool(first.metrics["predictors"][name]["blind"]),
            "images": int((~np.isnan(numbers[0][name]["union_mask_iou"])).sum()),
            "union_mask_miou": summary(ious[name]),
            "pointing_game": summary([weighted_mean(each[name]["pointing"]) for each in numbers]),
            "auc": summary(aucs[name]) if name in scored else None,
            "union_mask_miou_minus": minus,
        }
        if name in scored:
            row["auc_minus"] = differences(name, aucs)
        if not row["blind"] and BLIND_PRIOR in minus:
            above = [run.metrics["predictors"][name].get("above_blind_prior") is True for run in runs]
            row["seeds_above_blind_prior"] = sum(above)
            row["above_blind_prior"] = bool(minus[BLIND_PRIOR]["over_seeds_and_images"]["low"] > 0)
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
    """Write the summary as text: a row per predictor, means with their interval over seeds and images."""
    rows = [("predictor", "union-mask mIoU", "sd", "minus blind prior", "pointing game", "AUC", "above in")]
    for name, row in result["predictors"].items():
        iou, above = row["union_mask_miou"], row.get("seeds_above_blind_prior")
        others = (row["union_mask_miou_minus"].get(BLIND_PRIOR), row["pointing_game"], row["auc"])
        seeds = "-" if above is None else f"{above} of {iou['seeds']}"
        rows.append((name, mean_text(iou), spread_text(iou), *map(mean_text, others), seeds))
    numbers, test = ", ".join(str(run["seed"]) for run in result["runs"]), result["splits"]["test"]
    note = (
        f"seeds {numbers}; test: {test['images']} images, {test['tb_images_with_boxes']} TB images with "
        "boxes; means over seeds, 95 % bootstrap intervals over seeds and images"
    )
    return f"{aligned(rows)}\n{note}"


def write_seed_page(folder: str | Path, result: Mapping[str, Any]) -> Path:
    """Write ``seeds.html`` of a summary by `summarize_runs` into a folder."""
    rows = result["predictors"]
    networks = {name: rows[name] for name in in_order(rows) if not rows[name]["blind"]}
    html = page(
        PAGE, "Several seeds", str(result["notice"]),
        result=result,
        rows=rows,
        networks=networks,
        pairs=list(combinations(networks, 2)),
        mean=mean_text,
        spread=spread_text,
        test=result["splits"]["test"],
        chart=svg_uri(seed_chart(rows)),
        facts={f"{run['name']}, seed {run['seed']}": run["metrics_sha256"] for run in result["runs"]}
        | {f"images of {split}": sha256 for split, sha256 in result["splits_sha256"].items()}
        | {"version": result["version"]},
    )  # fmt: skip
    return write_page(Path(folder) / PAGE, html)


def mean_text(x: Mapping[str, Any] | None) -> str:
    """Format a mean over seeds with its interval over seeds and images, or a dash."""
    return interval_text(x and {**x["over_seeds_and_images"], "value": x["mean"]})


def spread_text(x: Mapping[str, Any]) -> str:
    """Format the standard deviation over seeds, or a dash."""
    return "-" if x["sd"] is None else f"{x['sd']:.3f}"


def _minus(a: Statistic, b: Statistic) -> Statistic:
    return lambda weights: a(weights) - b(weights)


def _refuse_unlike(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise ValueError(f"There is {len(runs)} run; expected the evaluations of at least two seeds.")
    first, networks = runs[0], list(runs[0].metrics["checkpoints"])
    of_first = _fixed(first, networks)
    for run in runs[1:]:
        for what, other in _fixed(run, networks).items():
            if (mine := of_first[what]) != other:
                keys = [k for k in {**mine, **other} if mine.get(k) != other.get(k)] if isinstance(mine, dict) else []
                named = f" ({name_first(keys)})" if keys else ""
                raise ValueError(
                    f"{first.name} and {run.name} have other {what}{named}; expected runs of other seeds alone."
                )
    weights: dict[str, str] = {}
    for run in runs:
        for name, record in run.metrics["checkpoints"].items():
            sha256 = (record or {}).get("sha256")
            if sha256 and weights.setdefault(sha256, run.name) != run.name:
                raise ValueError(
                    f"{weights[sha256]} and {run.name} have the same {name}; expected another seed's in each."
                )


def _fixed(run: Run, networks: Sequence[str]) -> dict[str, Any]:
    """Collect what all runs have in common."""
    origin = run.metrics["provenance"]
    settings = {"settings of the evaluation": origin.get("evaluation", {})}
    for name in networks:
        record = run.metrics["checkpoints"].get(name) or {}
        settings[f"settings of the {name}"] = (record.get("settings") or {}) | (record.get("architecture") or {})
    return {
        "reported images": origin["splits_sha256"]["test"],
        "selection images": origin["splits_sha256"]["select"],
        "images in images.csv": (run.images.names, run.images.positive.tolist()),
        **{what: {k: v for k, v in values.items() if k not in _OF_A_SEED} for what, values in settings.items()},
    }
