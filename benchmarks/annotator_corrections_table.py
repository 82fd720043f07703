"""The table and the curve of simulated corrections, from what ``benchmarks/annotator_corrections.py`` wrote.

    python benchmarks/annotator_corrections_table.py outputs/corrections/images.csv [...]

Writes ``benchmarks/results/annotator_corrections.csv``: union-mask mIoU with a 95 % bootstrap interval over images
(each image's mean over seeds), the mean of each seed, and paired differences of the same images; and
``docs/images/annotator_corrections.png``. Prints the table.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from in_turns import write_table

from monai_tbkd.metrics import bootstrap_mean

matplotlib.use("Agg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
HEAD = ["way", "strategy", "corrections", "minus", "metric", "value", "low", "high", "n", "seeds", "by_seed"]
IOU = "union_mask_iou"
LAST = 40
NAMES = {"random": "random", "uncertain_score": "uncertain score", "disagreement": "disagreement"}
COLORS = {"random": "#4477aa", "uncertain_score": "#ee6677", "disagreement": "#228833"}

ByImage = dict[str, dict[int, float]]
"""Values by image and seed."""
Key = tuple[str, str, int]
Images = dict[Key, ByImage]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, nargs="+")
    args = parser.parse_args()
    images, facts = read(args.images)
    drop_unfinished(images)
    rows = table(images, facts)
    write_table(ROOT / "benchmarks/results/annotator_corrections.csv", HEAD, rows)
    for row in rows:
        print("  ".join(row))
    draw(images, ROOT / "docs/images/annotator_corrections.png")


def read(paths: list[Path]) -> tuple[Images, dict[tuple[str, str, int, str], dict[int, float]]]:
    images: Images = defaultdict(lambda: defaultdict(dict))
    facts: dict[tuple[str, str, int, str], dict[int, float]] = defaultdict(dict)
    for path in paths:
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                key = row["way"], row["strategy"], int(row["corrections"])
                if row["metric"] == IOU:
                    images[key][row["image"]][int(row["seed"])] = float(row["value"])
                else:
                    facts[*key, row["metric"]][int(row["seed"])] = float(row["value"])
    return images, facts


def drop_unfinished(images: Images) -> None:
    """Leave out runs that have not come to their last round, or rounds would be of different seeds."""
    for way, strategy, number in list(images):
        done = {seed for seeds in images[way, strategy, LAST].values() for seed in seeds}
        for seeds in images[way, strategy, number].values():
            for seed in set(seeds) - done:
                del seeds[seed]
    for key in [key for key, by_image in images.items() if not any(by_image.values())]:
        del images[key]


def table(images: Images, facts: dict[tuple[str, str, int, str], dict[int, float]]) -> list[list[str]]:
    rows = [line(key, "", by_image) for key, by_image in sorted(images.items())]
    start = images["distilled", "random", 0]
    for way, strategy, number in sorted(images):
        if number != LAST:
            continue
        mine = images[way, strategy, number]
        rows.append(line((way, strategy, number), "before", paired(mine, start)))
        others = {
            "threshold": ("threshold", strategy, number),
            "control": ("control", "random", number),
            "boxes_control": ("boxes_control", "random", number),
            "blind": ("blind", strategy, number),
            "random": (way, "random", number),
        }
        for name, other in others.items():
            if other in images and other != (way, strategy, number):
                rows.append(line((way, strategy, number), name, paired(mine, images[other])))
    for (way, strategy, number, metric), by_seed in sorted(facts.items()):
        values = [by_seed[seed] for seed in sorted(by_seed)]
        text = " ".join(f"{value:.4f}" for value in values)
        rows.append(
            [way, strategy, str(number), "", metric, f"{np.mean(values):.4f}", "", "", "", str(len(values)), text]
        )
    return rows


def paired(mine: ByImage, theirs: ByImage) -> ByImage:
    """Differences of the same image and seed."""
    return {f: {s: v - theirs[f][s] for s, v in seeds.items() if s in theirs[f]} for f, seeds in mine.items()}


def line(key: Key, minus: str, by_image: ByImage) -> list[str]:
    """A row: mean over images of each image's mean over seeds, its interval, and the mean of each seed."""
    number = bootstrap_mean(np.array([np.mean(list(seeds.values())) for _, seeds in sorted(by_image.items())]))
    every = sorted({seed for seeds in by_image.values() for seed in seeds})
    means = [np.mean([seeds[s] for seeds in by_image.values() if s in seeds]) for s in every]
    numbers = [*(f"{v:.4f}" for v in number[:3]), str(number.n), str(len(every))]
    return [key[0], key[1], str(key[2]), minus, IOU, *numbers, " ".join(f"{m:.4f}" for m in means)]


def draw(images: Images, path: Path) -> None:
    panels = {
        "labels alone train": ("distilled", "control"),
        "drawn boxes supervise the map": ("boxes", "boxes_control"),
    }
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
    for axis, (title, (way, control)) in zip(axes, panels.items(), strict=True):
        for strategy, color in COLORS.items():
            curve(axis, images, way, strategy, color=color, label=f"distilled, {NAMES[strategy]}")
        curve(axis, images, control, "random", color="#4477aa", linestyle="--", label="not distilled, random")
        curve(axis, images, "threshold", "random", color="#777777", label="threshold alone, random")
        curve(axis, images, "blind", "random", color="#bbbbbb", label="blind: where boxes were drawn, random")
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set(title=title, xlabel="images corrected", xticks=range(0, LAST + 1, 10))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="lower right")
    axes[0].set_ylabel("union-mask mIoU minus that before, images never seen")
    figure.savefig(path, dpi=110)


def curve(axis: plt.Axes, images: Images, way: str, strategy: str, label: str, **look: Any) -> None:
    """Differences from before, of the same images and seeds: not every run has all seeds, and models differ by seed."""
    before = images["distilled", "random", 0]
    numbers = sorted(n for w, s, n in images if (w, s) == (way, strategy) and n)
    rows = [line((way, strategy, n), "before", paired(images[way, strategy, n], before)) for n in numbers]
    if not rows:
        return
    value, low, high = (np.array([float(row[i]) for row in rows]) for i in (5, 6, 7))
    x, y = ([0, *numbers], [0.0, *value]) if way != "blind" else (numbers, list(value))
    seeds = rows[-1][9]
    axis.plot(x, y, marker="o", markersize=3.5, label=f"{label} ({seeds} seed{'s' * (seeds != '1')})", **look)
    axis.fill_between(numbers, low, high, color=look["color"], alpha=0.1, linewidth=0)


if __name__ == "__main__":
    main()
