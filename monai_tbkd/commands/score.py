"""``score``: score the maps or boxes of any method with the evaluator of our networks."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_tbkd import __version__
from monai_tbkd.data.files.atomic_write import write_json
from monai_tbkd.data.files.csv_cells import csv_line
from monai_tbkd.data.files.paths import absolute_path
from monai_tbkd.data.lists.datalist import load_datalist
from monai_tbkd.data.lists.datalist_error import name_first
from monai_tbkd.data.lists.saved_boxes import read_saved_boxes
from monai_tbkd.data.lists.saved_maps import find_saved_maps, read_saved_maps, read_saved_scores
from monai_tbkd.engines.evaluation_result import evaluation_result
from monai_tbkd.metrics import Comparison, Predictions, table
from monai_tbkd.metrics.blind_baselines import BLIND_NAMES
from monai_tbkd.metrics.predictor_measures import box_predictions
from monai_tbkd.metrics.split_truth import split_sha256
from monai_tbkd.report.evaluation_page import write_evaluation_page
from monai_tbkd.report.image_table import FILE as IMAGE_TABLE
from monai_tbkd.report.image_table import write_image_table
from monai_tbkd.results.prediction_table import as_written

logger = logging.getLogger(__name__)

Splits = Mapping[str, Sequence[Mapping[str, Any]]]
Scores = Mapping[str, np.ndarray]


def run(args: argparse.Namespace) -> int:
    """Score, write, and print the table."""
    maps, boxes = _named(args.maps), _named(args.boxes)
    predictors = [*maps, *boxes]
    scores = _named(args.scores, predictors[0] if len(predictors) == 1 else None)
    if args.list_images is None:
        _check(args, maps, boxes, scores)
    splits = load_datalist(args.dataset_dir, **_of(args, "layout", "select", "test", "test_dir"))
    if args.list_images is not None:
        return _list_images(args.list_images, splits)
    how = _of(args, "grid", "smallest_area", "largest_number", "seed", "selection", "lung_field_dir")
    resamples = args.bootstrap_resamples
    comparison = Comparison(splits["train"], splits["select"], splits["test"], resamples=resamples, **how)
    point = _given_point(args)
    wanted = {split: splits[split] for split in (("test",) if point else ("select", "test"))}
    sizes = {item["name"]: item["size"] for items in splits.values() for item in items}
    predictions: dict[str, dict[str, Predictions]] = {}
    inputs: dict[str, Any] = {}
    for name, path in {**maps, **boxes}.items():
        read = _from_maps if name in maps else _from_boxes
        own = _image_scores(scores[name], wanted, args) if name in scores else None
        predictions[name], inputs[name] = read(path, wanted, sizes, own, args)
        inputs[name]["warnings"] += _doubts(predictions[name]["test"], own is not None, point)
        for doubt in inputs[name]["warnings"]:
            logger.warning("%s: %s", name, doubt)
    settings, facts = _of(args, "layout", "select", "test", "missing"), {"version": __version__, "seed": args.seed}
    given = dict.fromkeys(predictions, point) if point else None
    result = evaluation_result(comparison, predictions, facts, settings, {}, given, inputs)
    result["provenance"]["splits_sha256"]["train"] = split_sha256(splits["train"])
    write_json(args.output_dir / "metrics.json", result)
    write_image_table(args.output_dir / IMAGE_TABLE, comparison.truth["test"], comparison.measured)
    page = write_evaluation_page(args.output_dir, result, comparison, predictions)
    sys.stdout.write(table(result) + "\n")
    logger.info("wrote %s, metrics.json and %s", page, IMAGE_TABLE)
    return 0


def _of(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: getattr(args, name) for name in names}


def _check(
    args: argparse.Namespace, maps: Mapping[str, Path], boxes: Mapping[str, Path], scores: Mapping[str, Path]
) -> None:
    if args.output_dir is None:
        raise ValueError("No --output_dir; give a folder for metrics.json and report.html.")
    if not maps and not boxes:
        raise ValueError("Nothing to score; give --maps or --boxes.")
    taken = sorted(maps.keys() & boxes.keys()) or sorted((maps.keys() | boxes.keys()) & set(BLIND_NAMES))
    if taken:
        raise ValueError(f"{taken[0]} names two predictors; give each a name of its own, --maps NAME=DIR.")
    unknown = sorted(scores.keys() - maps.keys() - boxes.keys())
    if unknown:
        raise ValueError(
            f"--scores are of {unknown[0]}, which has no maps or boxes; say whose they are, --scores NAME=CSV, one "
            f"of {', '.join([*maps, *boxes])}."
        )


def _named(given: Sequence[str], only: str | None = None) -> dict[str, Path]:
    """Paths by the name before ``=``; without one, by `only`, or else the path's own."""
    found: dict[str, Path] = {}
    for each in given:
        name, equals, path = each.partition("=")
        if not equals or "/" in name:
            name, path = "", each
        name = name or only or absolute_path(path).stem
        if name in found:
            raise ValueError(f"{name} is given twice; give each a name of its own, NAME=PATH.")
        found[name] = absolute_path(path)
    return found


def _given_point(args: argparse.Namespace) -> dict[str, Any] | None:
    if args.map_threshold is None and args.score_threshold is None:
        return None
    if args.map_threshold is None or args.score_threshold is None:
        raise ValueError("Give both --map_threshold and --score_threshold, or neither: then both are chosen.")
    thresholds = _of(args, "map_threshold", "score_threshold")
    return {**thresholds, "mode": "absolute", "chosen_on": "given by hand; not chosen here"}


def _from_maps(
    folder: Path, splits: Splits, sizes: Mapping[str, Any], scores: Scores | None, args: argparse.Namespace
) -> tuple[dict[str, Predictions], dict[str, Any]]:
    names = [item["name"] for items in splits.values() for item in items]
    files = find_saved_maps(folder, names, sizes, args.extra == "ignore")
    without = [name for name in names if name not in files]
    _refuse_missing(without, f"{folder}: no map", args, "; that of NAME is NAME.npy")
    read = read_saved_maps(files, names, args.grid, args.scale, sizes)
    found, start = {}, 0
    for split, items in splits.items():
        own = slice(start, start + len(items))
        start = own.stop
        found[split] = Predictions(read.maps[own], read.peaks[own] if scores is None else scores[split])
    return found, {
        "kind": "maps",
        "files": read.files,
        "flat_maps": read.flat,
        "images_without": len(without),
        "sha256": read.sha256,
        "scale": args.scale,
        "image_scores": "largest value of the map" if scores is None else "given",
        "warnings": read.warnings,
    }


def _from_boxes(
    file: Path, splits: Splits, sizes: Mapping[str, Any], scores: Scores | None, args: argparse.Namespace
) -> tuple[dict[str, Predictions], dict[str, Any]]:
    read = read_saved_boxes(file, sizes, args.coco, args.category_ids)
    if read.unknown and args.extra == "error":
        raise ValueError(
            f"{file}: images that are not in the data set, {name_first(read.unknown)}. Take them away, or allow them "
            "(--extra ignore)."
        )
    found = {
        split: box_predictions(items, read.boxes, read.scores, None if scores is None else scores[split], args.grid)
        for split, items in splits.items()
    }
    names = [item["name"] for items in splits.values() for item in items]
    number = sum(len(read.scores[name]) for name in names if name in read.scores)
    train_only = ["no box is of the selection and reported splits; all are of training images."]
    return found, {
        "kind": "boxes",
        "boxes": number,
        **read.counts,
        "images_without": sum(name not in read.scores for name in names),
        "sha256": read.sha256,
        "image_scores": "highest score of the image's boxes" if scores is None else "given",
        "warnings": read.warnings + train_only * bool(read.boxes and not number),
    }


def _image_scores(file: Path, splits: Splits, args: argparse.Namespace) -> dict[str, np.ndarray]:
    scores = read_saved_scores(file)
    names = {split: [as_written(item["name"]) for item in items] for split, items in splits.items()}
    asked = [name for own in names.values() for name in own]
    if not scores.keys() & set(asked):
        raise ValueError(
            f"{file}: no score of any of the {len(asked)} images asked for; found {name_first(scores)}; expected names "
            f"such as {asked[0]}."
        )
    _refuse_missing([name for name in asked if name not in scores], f"{file}: no score", args)
    return {split: np.array([scores.get(name, 0.0) for name in own]) for split, own in names.items()}


def _doubts(reported: Predictions, given: bool, point: Mapping[str, Any] | None) -> list[str]:
    """What is doubtful of the reported images' predictions, in sentences."""
    scores, said = np.asarray(reported.scores), []
    if given and len(scores) > 1 and np.ptp(scores) == 0:
        said.append(f"all {len(scores)} images have the score {scores[0]:g}, so that nothing tells them apart.")
    elif given and scores.max() <= 0.01:
        said.append("no score is above 1 of 100; scores of 0-1 stand in a column named score, not score_0_100.")
    if point:
        highest = {"map_threshold": float(reported.maps.max()), "score_threshold": float(scores.max())}
        said += [
            f"nothing reaches the {key} {point[key]:g}, the highest value is {value:g}: no box is served."
            for key, value in highest.items()
            if value < point[key]
        ]
    return said


def _refuse_missing(without: Sequence[str], what: str, args: argparse.Namespace, more: str = "") -> None:
    said = f"{what} of {name_first(without)}{more}"
    if without and args.missing == "error":
        raise ValueError(f"{said}. Give them, or count such images as empty with a score of 0 (--missing empty).")
    if without:
        logger.warning("%s: counted as empty, with a score of 0.", said)


def _list_images(path: Path, splits: Splits) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(csv_line(["name", "split", "image", "height", "width"]))
        for split, items in splits.items():
            file.writelines(csv_line([item["name"], split, item["image"], *item["size"]]) for item in items)
    logger.info("wrote %s: train on nothing but train; maps or boxes are asked of select and test", path)
    return 0
