"""``package``: the folder that would be submitted to the Model Zoo."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from monai_tbkd.commands.training_options import add_training_options, checkpoint_of


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    p = subparsers.add_parser(
        "package",
        help="make the Model Zoo's folder from the bundle and a checkpoint",
        description="Make the folder that would be submitted to the Model Zoo as models/cxr_tuberculosis_localization: "
        "configs as JSON, code, model, documents. It holds inference alone, unless --full. Research use only, not for "
        "diagnosis.",
    )
    p.add_argument("--output", type=Path, required=True, metavar="DIR", help="the folder; absent or empty")
    add_training_options(p)
    p.add_argument("--trained_on", metavar="TEXT", help="the images the model was trained on, in words")
    p.add_argument(
        "--phantom", action="store_true", help="it was trained on phantom images alone (if no record says so)"
    )
    p.add_argument("--terms", type=Path, metavar="FILE", help="terms of those images; needed unless they are phantoms")
    p.add_argument("--metrics", type=Path, metavar="JSON", help="metrics.json of an evaluation of this model")
    p.add_argument(
        "--performance", type=Path, metavar="MD", help="its numbers as Markdown, if they come from elsewhere"
    )
    p.add_argument("--lung_weights", type=Path, metavar="PT", help="lung-field network (TorchScript) to come along")
    p.add_argument("--url", help="where files of more than 25 MB will be fetched from; writes large_files.yml")
    p.add_argument(
        "--full", action="store_true", help="training, evaluation and every output too; inference alone otherwise"
    )
    p.add_argument("--requirement", action="store_true", help="require this package by pip instead of copying its code")
    p.add_argument("--no_torchscript", action="store_true", help="leave models/model.ts out")
    p.add_argument("--hashes", type=Path, metavar="FILE", help="write a list of all files with hashes, outside of DIR")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the folder, and print where."""
    from monai_tbkd.bundle import recipe_file, set_option
    from monai_tbkd.bundle.config_files import read_config
    from monai_tbkd.bundle.locations import CARD, LICENSE
    from monai_tbkd.data.files.outside_text import read_text
    from monai_tbkd.networks import model_version
    from monai_tbkd.packaging.bundle_package import write_package
    from monai_tbkd.packaging.file_hashes import write_hashes
    from monai_tbkd.packaging.model_facts import read_facts

    checkpoint = checkpoint_of(args)
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
