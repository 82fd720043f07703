"""Train the released model, and the one of the hospitals alone, by the bundle's own configs.

    python scripts/release_model.py --hospitals SHENZHEN DA --more TBX11K --field_weights lungs.pt --output OUT

Two models, each teacher, student and operating point (thresholds chosen without a box):

- ``image_labels``: from the hospitals, images with and without TB. Nothing of ``--more`` takes part in it.
- ``released``: ``--more`` trains too, images with TB alone, by that label. It is copied to ``monai_tbkd/models``.

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
    parser.add_argument("--more", nargs="*", default=[], help="data sets of images with TB alone")
    parser.add_argument("--field_weights", help="lung-field network (TorchScript) for training; the model runs without")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--features_dir", help="kept features (a folder of the output)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, default=released_folder(), help="where the released model goes")
    parser.add_argument("--only", choices=NAMES, help="make one of the two")
    args = parser.parse_args()
    for name in NAMES if args.only is None else [args.only]:
        more = args.more if name == "released" else []
        folder = train(args, name, [*args.hospitals, *more])
        put(folder, args.models if name == "released" else args.output, name)


def train(args: argparse.Namespace, name: str, data: list[str]) -> Path:
    """Train teacher and student, and choose the thresholds; returns the folder of the models."""
    output = args.output / name
    settings: dict[str, Any] = {
        "dataset_dir": data,
        "ckpt_dir": str(output / "models"),
        "output_dir": str(output),
        "features_dir": args.features_dir or str(args.output / "features"),
        "field_weights": args.field_weights,
        "seed": args.seed,
        "logging_file": False,
    }
    monai.bundle.run(run_id="run", config_file=[TRAIN, RELEASE], **settings)
    monai.bundle.run(run_id="run", config_file=[TRAIN, EVALUATE, RELEASE], selection="fraction", **settings)
    return output / "models"


def put(folder: Path, target: Path, name: str) -> None:
    """Copy a model with its record and thresholds; the record gets its public name and no path of this machine."""
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
