"""Pictures of a study's maps: teacher, control and students on films never seen, without the films themselves.

    python benchmarks/study_pictures.py hemithorax --dataset_dir TBX11K --weights resnet50.pth --cache FILE \
      --picture docs/images/study.png

Trains one fold and draws films at given ranks of the student's union-mask IoU: what each map gives as the probability
of TB (0-1) on the cut, the outline of the lung field, and the true boxes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from localization_study import add_films, films, read_config
from matplotlib.figure import Figure
from monai.utils import set_determinism
from PIL import Image

from monai_tbkd.data import load_tbx11k
from monai_tbkd.engines.localization_study import LocalizationStudy
from monai_tbkd.metrics.map_processing import log_odds, process

NAMES = {
    "teacher": "teacher",
    "control": "control",
    "student": "student",
    "box_free_student": "student, no box used",
}
RANKS = (0.95, 0.75, 0.5, 0.25, 0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_films(parser)
    parser.add_argument("--picture", type=Path, required=True)
    args = parser.parse_args()
    config = read_config(args)
    items = [i for i in load_tbx11k(args.dataset_dir) if i["class_name"] == "tb" and i["boxes"]]
    kept = films(config, items, args.cache)
    study = LocalizationStudy(config, items, kept)
    set_determinism(seed=args.seeds[0])
    train, select, test = study.split(args.seeds[0], 0, 5)
    prior = log_odds(study.cut_prior(select))
    maps, _ = study.predictors(train, select, prior, args.seeds[0])
    shown = {}
    for name in NAMES:
        chosen = study.choose(maps[name], prior, select)
        logits = process(maps[name], prior, chosen.smoothing, chosen.factor, chosen.prior) - chosen.threshold
        shown[name] = logits[test]
    masks, area = study.cut_masks[test], study.true_area[test]
    drawn = shown["student"] > 0
    hit = (drawn & masks).sum(axis=(1, 2))
    iou = hit / (drawn.sum(axis=(1, 2)) + area - hit)
    rows = [int(np.argsort(iou)[round(rank * (len(iou) - 1))]) for rank in RANKS]
    draw(args.picture, shown, masks, kept["lung_field"][test, 0].numpy(), rows, iou)


def draw(
    path: Path, shown: dict[str, np.ndarray], masks: np.ndarray, lungs: np.ndarray, rows: list[int], iou: np.ndarray
) -> None:
    figure = Figure(figsize=(2.1 * len(shown), 2.15 * len(rows)), layout="constrained", dpi=110)
    axes = figure.subplots(len(rows), len(shown))
    for line, row in enumerate(rows):
        for column, (name, logits) in enumerate(shown.items()):
            ax = axes[line, column]
            ax.imshow(1 / (1 + np.exp(-logits[row])), cmap="inferno", vmin=0, vmax=1)
            ax.contour(lungs[row], [0.5], colors="white", linewidths=0.6, alpha=0.6)
            ax.contour(masks[row], [0.5], colors="deepskyblue", linewidths=1.4)
            ax.contour(logits[row], [0.0], colors="yellow", linewidths=1.0, linestyles="dashed")
            ax.set_xticks([])
            ax.set_yticks([])
            if line == 0:
                ax.set_title(NAMES[name], fontsize=10)
            if column == 0:
                ax.set_ylabel(f"student's IoU {iou[row]:.2f}", fontsize=9)
    figure.suptitle("Research use only, not for diagnosis", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)  # a third of the size


if __name__ == "__main__":
    main()
