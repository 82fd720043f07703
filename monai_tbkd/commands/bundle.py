"""``bundle``: where the bundle is, or a copy of it."""

from __future__ import annotations

import argparse
import shutil
import sys

from monai_tbkd.bundle import bundle_files, recipe_files


def run(args: argparse.Namespace) -> int:
    """Print or copy."""
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
