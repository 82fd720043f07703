"""Train the released model by the bundle's own configs.

    python scripts/release_model.py --hospitals SHENZHEN DA --more TBX11K NIH --weights resnet50.pth --output OUT

1. Teacher, student and control learn from labels of whole images of the hospitals, which have images with and without
   TB, and are evaluated on the first of ``--more``, of which nothing takes part: ``OUT/hospitals``, with the student as
   ``OUT/model_image_labels_hospitals.pt``.
2. That teacher teaches a second student, from the images of the hospitals and of ``--more`` (such as TBX11K's with TB,
   NIH's without), by labels of whole images too: ``OUT/released``. It becomes the released model.

Thresholds are chosen on held-out images, without a box. On the same processor the same data give the same files, bit
for bit; the models' hashes are printed and are in their records.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import monai.bundle

from monai_tbkd.bundle.locations import released_folder
from monai_tbkd.data.files.atomic_write import write_json
from monai_tbkd.networks.checkpoint import file_sha256

ROOT = Path(__file__).resolve().parent.parent
TRAIN, EVALUATE = (str(ROOT / "bundle" / "configs" / f"{name}.yaml") for name in ("train", "evaluate"))
RELEASE = str(ROOT / "configs" / "release.yaml")
LARGEST = 16 * 10**6
NAME = "lite0-image-labels"
THRESHOLDS = {"threshold_mode": "adaptive", "selection": "fraction", "score_selection": "specificity_70"}


def main() -> None:
    """Train the model, evaluate it, and put it into the package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hospitals", nargs="+", required=True, help="data sets with images with and without TB")
    parser.add_argument("--more", nargs="+", required=True, help="data sets of one class that the released model adds")
    parser.add_argument("--weights", required=True, help="of the teacher's backbone, ResNet-50 from ImageNet")
    parser.add_argument("--stride_in_1x1", action="store_true", help="the weights stride in the first 1x1 convolution")
    parser.add_argument("--field_weights", help="lung-field network (TorchScript) for training; the model runs without")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, default=released_folder(), help="where the released model goes")
    args = parser.parse_args()
    settings: dict[str, Any] = {
        "weights": args.weights,
        "stride_in_1x1": args.stride_in_1x1,
        "field_weights": args.field_weights,
        "features_dir": str(args.output / "features"),
        "seed": args.seed,
        "select": 0.1,
    }
    hospitals, released = args.output / "hospitals", args.output / "released"
    first = {**settings, "dataset_dir": args.hospitals, "test_dir": args.more[:1]}
    for stage in ("teacher", "student", "control"):
        run(hospitals, [], {**first, "stage": stage})
    run(hospitals, [EVALUATE], {**first, **THRESHOLDS})
    for suffix in (".pt", ".json"):
        shutil.copyfile(hospitals / "models" / f"model{suffix}", args.output / f"model_image_labels_hospitals{suffix}")
    # evaluation wants a reported split: a twentieth of the images; the numbers that count are of a cross-validation
    second = {**settings, "dataset_dir": [*args.hospitals, *args.more], "test": 0.05}
    second |= {"teacher_checkpoint": str(hospitals / "models" / "teacher.pt"), "components": str(hospitals / "models")}
    run(released, [], {**second, "stage": "student"})
    run(released, [EVALUATE], {**second, **THRESHOLDS})
    put(released / "models", args.models)


def run(output: Path, layers: list[str], settings: dict[str, Any]) -> None:
    """Run the bundle, as ``python -m monai.bundle run`` does."""
    folders = {"ckpt_dir": str(output / "models"), "output_dir": str(output)}
    monai.bundle.run(run_id="run", config_file=[TRAIN, *layers, RELEASE], logging_file=False, **{**folders, **settings})


def put(folder: Path, target: Path) -> None:
    """Copy the model with its record and thresholds; the record gets its public name."""
    weights = folder / "model.pt"
    if weights.stat().st_size > LARGEST:
        raise SystemExit(f"{weights} has more than {LARGEST // 10**6} MB; the wheel takes no more.")
    target.mkdir(parents=True, exist_ok=True)
    for name in ("model.pt", "operating_point.json"):
        shutil.copyfile(folder / name, target / name)
    record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    write_json(target / "model.json", {**record, "name": NAME})
    sys.stdout.write(f"{target / 'model.pt'}: sha256 {file_sha256(weights)}, {weights.stat().st_size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
