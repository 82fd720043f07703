"""Train the released model, and the one of the hospitals alone, by the bundle's own configs.

    python scripts/release_model.py --hospitals SHENZHEN DA --more TBX11K --weights resnet50.pth --output OUT

Two models, each with thresholds that are chosen without a box:

- ``image_labels``: teacher, control and student of the hospitals, images with and without TB. Nothing of ``--more``
  takes part; it is what they are evaluated on.
- ``released``: a student of the same teacher, which learns from the images of ``--more`` too, by their label. It goes
  to ``monai_tbkd/models``. A tenth of the images is held out of the student alone; its evaluation is no result.

On the same processor the same data give the same files, bit for bit; their hashes are printed and stand in the records.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import monai.bundle

from monai_tbkd.data.whole_file import write_json
from monai_tbkd.networks.checkpoint import file_sha256
from monai_tbkd.packaging.released import released_folder

ROOT = Path(__file__).resolve().parent.parent
TRAIN, EVALUATE = (str(ROOT / "bundle" / "configs" / f"{name}.yaml") for name in ("train", "evaluate"))
RELEASE = str(ROOT / "configs" / "release.yaml")
LARGEST = 16 * 10**6
NAMES = {"image_labels": "image-labels-shenzhen-da", "released": "lite0-image-labels"}


def main() -> None:
    """Train both models, and put the released one into the package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hospitals", nargs="+", required=True, help="data sets with images with and without TB")
    parser.add_argument("--more", nargs="+", required=True, help="data sets of images with TB alone")
    parser.add_argument("--weights", required=True, help="of the teacher's backbone, ResNet-50 from ImageNet")
    parser.add_argument("--stride_in_1x1", action="store_true", help="the weights stride in the first 1x1 convolution")
    parser.add_argument("--field_weights", help="lung-field network (TorchScript) for training; the model runs without")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, default=released_folder(), help="where the released model goes")
    args = parser.parse_args()
    common: dict[str, Any] = {
        "weights": args.weights,
        "stride_in_1x1": args.stride_in_1x1,
        "field_weights": args.field_weights,
        "features_dir": str(args.output / "features"),
        "seed": args.seed,
        "select": 0.1,
    }
    hospitals = {"dataset_dir": args.hospitals, "test_dir": args.more}
    for stage in ("teacher", "student", "control"):
        run(args.output / "image_labels", [], {**common, **hospitals, "stage": stage})
    run(args.output / "image_labels", [EVALUATE], {**common, **hospitals, "selection": "fraction"})
    put(args.output / "image_labels", args.output, "image_labels")
    teacher = str(args.output / "image_labels" / "models" / "teacher.pt")
    released = {"dataset_dir": [*args.hospitals, *args.more], "test": 0.1, "teacher_checkpoint": teacher}
    run(args.output / "released", [], {**common, **released, "stage": "student"})
    run(args.output / "released", [EVALUATE], {**common, **released, "stage": "student", "selection": "fraction"})
    put(args.output / "released", args.models, "released")


def run(output: Path, layers: list[str], settings: dict[str, Any]) -> None:
    """Run the bundle, as ``python -m monai.bundle run`` does."""
    folders = {"ckpt_dir": str(output / "models"), "output_dir": str(output)}
    monai.bundle.run(run_id="run", config_file=[TRAIN, *layers, RELEASE], logging_file=False, **{**folders, **settings})


def put(output: Path, target: Path, name: str) -> None:
    """Copy a model with its record and thresholds; the record gets its public name."""
    folder = output / "models"
    single = name != "released"
    weights = target / (f"model_{NAMES[name].replace('-', '_')}.pt" if single else "model.pt")
    if (folder / "model.pt").stat().st_size > LARGEST:
        raise SystemExit(f"{folder / 'model.pt'} has more than {LARGEST // 10**6} MB; the wheel takes no more.")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "model.pt", weights)
    record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    write_json(weights.with_suffix(".json"), {**record, "name": NAMES[name]})
    point = target / ("operating_point.json" if not single else f"{weights.stem}_operating_point.json")
    shutil.copyfile(folder / "operating_point.json", point)
    sys.stdout.write(f"{name}: {weights}, sha256 {file_sha256(weights)}, {weights.stat().st_size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
