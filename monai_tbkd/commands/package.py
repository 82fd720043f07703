"""``package``: the folder that would be submitted to the Model Zoo."""

from __future__ import annotations

import argparse
import re
import sys

from monai_tbkd.bundle import recipe_file, set_option
from monai_tbkd.bundle.config_files import read_config
from monai_tbkd.bundle.locations import CARD, LICENSE, MODEL, released_model
from monai_tbkd.data.files.outside_text import read_text
from monai_tbkd.networks import model_version
from monai_tbkd.packaging.bundle_package import write_package
from monai_tbkd.packaging.file_hashes import write_hashes
from monai_tbkd.packaging.model_facts import read_facts


def run(args: argparse.Namespace) -> int:
    """Write the folder, and print where."""
    checkpoint = args.checkpoint or released_model() / MODEL
    terms, trained_on = args.terms, args.trained_on
    if args.checkpoint is None:  # the released model's license and card
        terms = terms or checkpoint.with_name(LICENSE)
        found = re.search(r"^\| Trained on \| (.+) \|$", read_text(checkpoint.with_name(CARD)), re.MULTILINE)
        trained_on = trained_on or (found and found[1])
    facts = read_facts(checkpoint, trained_on, args.phantom, args.metrics, args.performance)
    layers = [read_config(recipe_file(name)) for name in args.recipe] + [
        dict([set_option(text)]) for text in args.values
    ]
    folder = write_package(
        args.output,
        facts,
        layers,
        terms=None if terms is None else read_text(terms),
        url=args.url,
        as_requirement=args.requirement,
        torchscript=not args.no_torchscript,
        lung_weights=args.lung_weights,
        full=args.full,
    )
    sizes = [p.stat().st_size for p in folder.rglob("*") if p.is_file()]
    sys.stdout.write(f"{folder}: {len(sizes)} files, {sum(sizes) / 1024**2:.1f} MB, {model_version(checkpoint)}, "
                     f"trained on {facts.trained_on}\n")  # fmt: skip
    if args.hashes is not None:
        sys.stdout.write(f"{write_hashes(folder, args.hashes)}: their hashes\n")
    return 0
