"""Cross-validation of the bundle: teacher, control and student over folds and seeds, and a table of what they reach.

    python benchmarks/study.py bundle/configs/train.yaml configs/halves.yaml --dataset_dir TBX11K \
      --weights resnet50.pth --folds 5 --seeds 0 1 2 --output outputs/study [--set select=100 max_epochs=20]

Each fold is what ``python -m monai.bundle run`` gives with these configs: the three stages, then evaluate.yaml, all in
one process. Kept features are shared. The table is made of the ``films.csv`` that the evaluations write; folds that are
there already are not run again, so that a study can be broken off and taken up. Every image counts once, with the mean
of its seeds; intervals are bootstrap intervals over images (patients, where the data set knows them).
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

from monai_tbkd.data.csv_cells import csv_line
from monai_tbkd.data.whole_file import write_json
from monai_tbkd.metrics.bootstrap import Interval, area_under_roc, bootstrap_mean
from monai_tbkd.packaging import set_option
from monai_tbkd.report.film_table import read_film_table

EVALUATE = Path(__file__).resolve().parent.parent / "bundle" / "configs" / "evaluate.yaml"
STAGES = ("teacher", "control", "student")
SHOWN = {"union_mask_iou": "mask mIoU", "box_union_iou": "box mIoU", "pointing": "pointing"}


def main() -> None:
    args = _parser().parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    settings = _settings(args)
    write_json(args.output / "study.json", {"configs": [str(c) for c in args.configs], **settings})
    folds = args.only_folds or (range(args.folds) if args.folds else [0])
    for seed in args.seeds:
        for fold in folds:
            folder = args.output / f"seed_{seed}_fold_{fold}"
            if not (folder / "films.csv").is_file():
                run_fold(args.configs, {**settings, "seed": seed, "fold": fold}, folder, args.stages, args.keep)
    rows = table(collect(args.output), args.resamples)
    (args.output / "table.csv").write_text("".join(csv_line(row) for row in rows), encoding="utf-8")
    for row in rows:
        sys.stdout.write("| " + " | ".join(row) + " |\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=Path, help="train.yaml and what lies over it")
    parser.add_argument("--dataset_dir", nargs="+", required=True)
    parser.add_argument("--weights", required=True, help="of the backbone")
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
    own = dict(item for config in args.configs for item in yaml.safe_load(config.read_text()).items())
    given: dict[str, Any] = {}
    for option in args.set:
        key, _, value = option.partition("=")
        is_own = key.split("::")[0] in own and "::" in key
        given[key] = yaml.safe_load(value) if is_own else set_option(option)[1]
    return {
        "dataset_dir": args.dataset_dir[0] if len(args.dataset_dir) == 1 else args.dataset_dir,
        "weights": args.weights,
        "features_dir": str(args.features_dir or args.output / "features"),
        "folds": args.folds,
        **given,
    }


def run_fold(configs: list[Path], settings: dict[str, Any], folder: Path, stages: list[str], keep: bool) -> None:
    """Train the stages of one fold and evaluate them."""
    files = [str(config) for config in configs]
    own = {**settings, "ckpt_dir": str(folder / "models"), "output_dir": str(folder), "progress_bar": False}
    for stage in stages:
        began = time.perf_counter()
        monai.bundle.run(run_id="run", config_file=files, logging_file=False, **own, stage=stage)
        sys.stdout.write(f"{folder.name} {stage}: {time.perf_counter() - began:.0f} s\n")
        sys.stdout.flush()
    quick = {"report": False, "overlays": 0, "board_dir": None, "bootstrap_resamples": 20}
    monai.bundle.run(
        run_id="run", config_file=[files[0], str(EVALUATE), *files[1:]], logging_file=False, **own, **quick
    )
    if not keep:
        shutil.rmtree(folder / "models")


def collect(output: Path) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Numbers of each image by predictor, number and image, one value a seed; ``class`` and ``patient`` beside them."""
    found: dict[str, Any] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for path in sorted(output.glob("seed_*_fold_*/films.csv")):
        films = read_film_table(path)
        for i, name in enumerate(films.names):
            found[""]["positive"][name] = [float(films.positive[i])]
            patient = f"{path.parent.name.split('_fold_')[1]}:{films.patients[i]}" if films.patients else name
            found[""]["patient"][name] = [patient]
            for predictor, numbers in films.numbers.items():
                for number, values in numbers.items():
                    found[predictor][number][name].append(float(values[i]))
    return found


def table(found: dict[str, Any], resamples: int) -> list[list[str]]:
    """A row a predictor: its numbers, and the student's paired difference to it."""
    rows = [["predictor", "n", *SHOWN.values(), "AUC", "student minus it, mask mIoU"]]
    for predictor in sorted((name for name in found if name), key=lambda name: (name not in STAGES, name)):
        numbers, row, n = found[predictor], [predictor], 0
        for number in SHOWN:
            values, patients = _per_image(numbers.get(number, {}), found[""]["patient"])
            n = max(n, len(values))
            row.append(_text(bootstrap_mean(values, resamples, groups=patients)) if len(values) else "")
        row.insert(1, str(n))
        row.append(_auc(numbers.get("score", {}), found[""]["positive"]))
        own, other = found["student"]["union_mask_iou"], numbers.get("union_mask_iou", {})
        pairs = {name: [np.nanmean(own[name]) - np.nanmean(other[name])] for name in own if name in other}
        values, patients = _per_image(pairs, found[""]["patient"])
        differs = predictor != "student" and len(values) > 0
        row.append(_text(bootstrap_mean(values, resamples, groups=patients), "+") if differs else "")
        rows.append(row)
    return rows


def _per_image(by_name: dict[str, list[float]], patient: dict[str, list[str]]) -> tuple[np.ndarray, list[str]]:
    known = {name: float(np.mean(values)) for name, values in by_name.items() if not np.isnan(values).any()}
    return np.array(list(known.values())), [patient[name][0] for name in known]


def _auc(scores: dict[str, list[float]], positive: dict[str, list[float]]) -> str:
    names = [name for name, values in scores.items() if not np.isnan(values).any()]
    labels = np.array([positive[name][0] > 0 for name in names])
    if not len(names) or labels.all() or not labels.any():
        return ""
    return f"{area_under_roc(np.array([np.mean(scores[name]) for name in names]), labels):.3f}"


def _text(interval: Interval, sign: str = "") -> str:
    return f"{interval.value:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


if __name__ == "__main__":
    main()
