"""``bundle``: where the bundle is, or a copy of it."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    p = subparsers.add_parser(
        "bundle",
        help="print the folder of the bundle's configs, or copy bundle and recipes into a folder",
        description="Print the folder that holds the bundle, for --config_file; or copy bundle and recipes.",
    )
    p.add_argument("--recipes", action="store_true", help="print the folder of the recipes instead")
    p.add_argument("--output", type=Path, help="copy to OUTPUT/bundle and OUTPUT/configs, to edit and run there")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print or copy."""
    from monai_tbkd.bundle import bundle_files, recipe_files

    if args.output is None:
        sys.stdout.write(f"{recipe_files() if args.recipes else bundle_files()}\n")
        return 0
    for source, name in ((bundle_files(), "bundle"), (recipe_files(), "configs")):
        target = args.output / name
        if target.exists():
            raise FileExistsError(f"{target} is there already; give a folder without it, or remove it.")
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "models", "outputs"))
        sys.stdout.write(f"{target}\n")
    return 0
