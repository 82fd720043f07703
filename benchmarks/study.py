"""Cross-validation of the bundle: teacher, control and student over folds and seeds, and a table of what they reach.

    python benchmarks/study.py bundle/configs/train.yaml configs/halves.yaml --dataset_dir TBX11K \
      --weights resnet50.pth --folds 5 --seeds 0 1 2 --output outputs/study [--set select=100 max_epochs=20]

Each fold is what ``python -m monai.bundle run`` gives with these configs: the three stages, then evaluate.yaml, all in
one process. Kept features are shared. The table is made of the ``images.csv`` that the evaluations write; folds that
are there already are not run again, so that a study can be broken off and taken up. Every image counts once, with the
mean of its seeds; intervals are bootstrap intervals over images (patients, where the data set knows them).
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import monai.bundle
import numpy as np
import yaml

from monai_tbkd.bundle import set_option
from monai_tbkd.data.files.atomic_write import read_json_object, write_json
from monai_tbkd.data.files.csv_cells import csv_line
from monai_tbkd.data.lists.datalist import load_source, name_sources
from monai_tbkd.metrics.bootstrap import Interval, bootstrap_draws, bootstrap_mean, interval_of_draws
from monai_tbkd.metrics.image_level import weighted_image_level
from monai_tbkd.metrics.shortcut_reference import shortcuts_by_source
from monai_tbkd.report.image_table import read_image_table

EVALUATE = Path(__file__).resolve().parent.parent / "bundle" / "configs" / "evaluate.yaml"
STAGES = ("teacher", "control", "student")
SELECTIONS = ("boxes", "fraction")
METRICS = {"union_mask_iou": "mask mIoU", "box_union_iou": "box mIoU", "pointing": "pointing game", "score": "AUC"}
COLUMNS = ("selection", "source", "predictor", "metric", "value", "low", "high", "n")


class Images:
    def __init__(self) -> None:
        self.found: Any = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))  # predictor, metric, image
        self.positive: dict[str, bool] = {}
        self.patients: dict[str, Any] = {}


def main() -> None:
    args = _parser().parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    settings = _settings(args)
    refuse_another_study(args.output / "study.json", {"configs": [str(c) for c in args.configs], **settings})
    folds = args.only_folds or (range(args.folds) if args.folds else [0])
    for seed in args.seeds:
        for fold in folds:
            folder = args.output / f"seed_{seed}_fold_{fold}"
            if not (folder / SELECTIONS[-1] / "images.csv").is_file():
                run_fold(args.configs, {**settings, "seed": seed, "fold": fold}, folder, args.stages, args.keep)
    rows = [
        row
        for how in SELECTIONS
        for source, images in collect(args.output, how).items()
        for row in table(how, source, images, args.resamples)
    ]
    rows += shortcut_rows(args.dataset_dir)
    (args.output / "table.csv").write_text("".join(map(csv_line, [COLUMNS, *rows])), encoding="utf-8")
    for how, source, predictor, metric, value, low, high, n in rows:
        sys.stdout.write(f"{how:9} {source:10} {predictor:24} {metric:16} {value} [{low}, {high}]  n = {n}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=Path, help="train.yaml and what lies over it")
    parser.add_argument("--dataset_dir", nargs="+", required=True)
    parser.add_argument("--weights", help="of the backbone, where its package does not bring them")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--features_dir", type=Path, help="kept features (a folder of the output)")
    parser.add_argument("--folds", type=int, help="cross-validation; without it the data set's own split is reported")
    parser.add_argument("--only_folds", type=int, nargs="+", metavar="FOLD")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="other settings of the configs")
    parser.add_argument("--keep", action="store_true", help="keep the checkpoints of each fold")
    parser.add_argument("--resamples", type=int, default=2000)
    return parser


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for option in args.set:
        key, _, value = option.partition("=")
        given[key] = yaml.safe_load(value) if "::" in key or value.startswith("[") else set_option(option)[1]
    return {
        "dataset_dir": args.dataset_dir[0] if len(args.dataset_dir) == 1 else args.dataset_dir,
        "weights": args.weights,
        "features_dir": str(args.features_dir or args.output / "features"),
        "folds": args.folds,
        **given,
    }


def refuse_another_study(path: Path, study: dict[str, Any]) -> None:
    """Write down what a study is of; its folds must not stand in one table with those of other settings."""
    known = read_json_object(path)
    differing = [key for key in {**known, **study} if key != "features_dir" and known.get(key) != study.get(key)]
    if known and differing:
        raise SystemExit(f"{path.parent} has folds of another study ({', '.join(differing)}); give another --output.")
    write_json(path, study)


def run_fold(configs: list[Path], settings: dict[str, Any], folder: Path, stages: list[str], keep: bool) -> None:
    """Train the stages of one fold, and evaluate them with thresholds chosen by boxes and without a box."""
    files = [str(config) for config in configs]
    own = {**settings, "ckpt_dir": str(folder / "models"), "progress_bar": False}
    for stage in stages:
        began = time.perf_counter()
        _run(files, {**own, "output_dir": str(folder), "stage": stage})
        sys.stdout.write(f"{folder.name} {stage}: {time.perf_counter() - began:.0f} s\n")
        sys.stdout.flush()
    quick = {"bootstrap_resamples": 0}
    for how in SELECTIONS:
        _run([files[0], str(EVALUATE), *files[1:]], {**own, **quick, "output_dir": str(folder / how), "selection": how})
    if not keep:
        shutil.rmtree(folder / "models")


def _run(files: list[str], settings: dict[str, Any]) -> None:
    monai.bundle.run(run_id="run", config_file=files, logging_file=False, **settings)


def collect(output: Path, how: str) -> dict[str, Images]:
    """Numbers of each image by predictor, metric and image, one a seed, of all images and of each source."""
    by_source: dict[str, Images] = defaultdict(Images)
    for path in sorted(output.glob(f"seed_*_fold_*/{how}/images.csv")):
        images = read_image_table(path)
        fold = path.parent.parent.name.split("_fold_")[1]
        for i, name in enumerate(images.names):
            for source in {"all", images.sources[i] or "all"}:
                own = by_source[source]
                own.positive[name] = bool(images.positive[i])
                own.patients[name] = f"{fold}:{images.patients[i]}" if images.patients and images.patients[i] else name
                for predictor, numbers in images.numbers.items():
                    for metric, values in numbers.items():
                        own.found[predictor][metric][name].append(float(values[i]))
    return by_source if len(by_source) > 2 else {"all": by_source["all"]}


def table(how: str, source: str, images: Images, resamples: int) -> list[tuple[Any, ...]]:
    """A row a predictor and metric, and the student's paired differences, see `COLUMNS`."""
    rows: list[tuple[Any, ...]] = []
    means = {
        predictor: {
            metric: {name: float(np.mean(values)) for name, values in by_name.items() if not np.isnan(values).any()}
            for metric, by_name in metrics.items()
        }
        for predictor, metrics in images.found.items()
    }
    for predictor in sorted(means, key=lambda name: (name not in STAGES, name)):
        for metric in METRICS:
            own, student = means[predictor].get(metric, {}), means.get("student", {}).get(metric, {})
            pairs = {name: student[name] for name in own if name in student} if predictor != "student" else {}
            if metric == "score":
                own, pairs = (
                    each if len({images.positive[name] for name in each}) > 1 else {} for each in (own, pairs)
                )
            numbers = _auc if metric == "score" else _mean
            shown = "auc" if metric == "score" else metric
            if own:
                rows.append((how, source, predictor, shown, *numbers(own, None, images, resamples)))
            if pairs:
                rows.append((how, source, f"student minus {predictor}", shown, *numbers(pairs, own, images, resamples)))
    return rows


def shortcut_rows(folders: list[str]) -> list[tuple[Any, ...]]:
    """AUC of what sees no detail, within each source that has both classes, see `shortcut_reference`."""
    loaded = [load_source(folder) for folder in folders]
    name_sources(folders, loaded)
    items = [item for own in loaded for item in own]
    return [
        ("fraction", source, f"shortcut {name}", "auc", *_rounded(auc))
        for source, aucs in shortcuts_by_source(items).items()
        for name, auc in aucs.items()
    ]


def _mean(by_name: dict[str, float], less: dict[str, float] | None, images: Images, resamples: int) -> tuple[Any, ...]:
    """Mean of the images, or of what they have more than in ``less``, with its interval."""
    values = np.array([value - (less[name] if less else 0) for name, value in by_name.items()])
    return _rounded(bootstrap_mean(values, resamples, groups=[images.patients[name] for name in by_name]))


def _auc(by_name: dict[str, float], less: dict[str, float] | None, images: Images, resamples: int) -> tuple[Any, ...]:
    """AUC, or its paired difference: both are drawn from the same images."""
    labels = np.array([images.positive[name] for name in by_name])
    groups = [images.patients[name] for name in by_name]
    value, draws = 0.0, np.zeros(resamples)
    for sign, scores in ((1, by_name), (-1, less or {})):
        if scores:
            auc = weighted_image_level("auc", np.array([scores[name] for name in by_name]), labels)
            value += sign * float(auc(np.ones((1, len(labels))))[0])
            draws = draws + sign * bootstrap_draws(auc, len(labels), resamples, 0, groups)
    return _rounded(interval_of_draws(draws, value, len(labels)))


def _rounded(interval: Interval) -> tuple[Any, ...]:
    return *(f"{value:.4f}" for value in (interval.value, interval.low, interval.high)), interval.n


if __name__ == "__main__":
    main()
