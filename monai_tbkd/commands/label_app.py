"""``label_app``: write the folder that a MONAI Label server is started on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from monai_tbkd.bundle import bundle_files, models_folder, recipe_files, set_option
from monai_tbkd.label.app_folder import write_app_folder
from monai_tbkd.networks import model_version


def run(args: argparse.Namespace) -> int:
    """Write it and say how to start."""
    bundle = args.bundle or bundle_files()
    recipes = [_recipe(name) for name in args.recipe]
    overrides = dict(set_option(text) for text in args.set)
    app = write_app_folder(args.folder, bundle, args.ckpt_dir or models_folder(bundle), recipes, overrides)
    sys.stdout.write(
        f"Wrote {app.root}, which serves {model_version(app.student)}. Start it with\n"
        f"  python -m monailabel.main start_server --app {app.root} --studies IMAGES --host 127.0.0.1 "
        "--uvicorn_app monai_tbkd.label.server:app\n"
        "IMAGES is a folder of images, or the address of a DICOMweb server.\n"
    )
    return 0


def _recipe(name: str) -> Path:
    """A file, or a recipe of the package by name."""
    packaged = recipe_files() / f"{name}.yaml"
    return packaged if "/" not in name and not Path(name).is_file() and packaged.is_file() else Path(name)
