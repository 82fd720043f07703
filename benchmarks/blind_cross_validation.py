"""What predictors that never look at an image score on TBX11K's boxes, by 5-fold cross-validation with our evaluator.

    python benchmarks/blind_cross_validation.py --dataset_dir TBX11K

Prior and threshold come from four fifths of the images, numbers from the fifth that is left, each image once.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from in_turns import write_table

from monai_tbkd.data import load_tbx11k
from monai_tbkd.metrics import Comparison, Predictions, bootstrap_mean

FOLDS = 5


def fold_of(item: dict[str, Any]) -> int:
    return int(hashlib.sha256(item["name"].encode()).hexdigest(), 16) % FOLDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_dir", required=True)
    parser.add_argument("--grid", type=int, default=256)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "blind_cross_validation.csv")
    args = parser.parse_args()
    items = [i for i in load_tbx11k(args.dataset_dir) if i["class_name"] == "tb" and i["boxes"]]
    images: dict[str, dict[str, list[np.ndarray]]] = {}
    for fold in range(FOLDS):
        train = [i for i in items if fold_of(i) != fold]
        comparison = Comparison(train, train, [i for i in items if fold_of(i) == fold], grid=args.grid)
        for name, maps in comparison.blind.items():
            point = comparison.choose(Predictions(maps["select"], None))
            found = comparison.measure(Predictions(maps["test"], None), point)
            numbers = images.setdefault(name, {"union_mask_miou": [], "pointing_game": []})
            numbers["union_mask_miou"].append(found.union_mask_iou)
            numbers["pointing_game"].append(found.pointing)
    rows = [["predictor", "metric", "value", "low", "high", "n"]]
    for name, metrics in images.items():
        for metric, parts in metrics.items():
            number = bootstrap_mean(np.concatenate(parts))
            rows.append([name, metric, *(f"{v:.4f}" for v in number[:3]), str(number.n)])
    write_table(args.output, rows[0], rows[1:])
    for row in rows:
        print("  ".join(row))


if __name__ == "__main__":
    main()
