"""``phantom``: write a data set of synthetic chest X-rays, or a contact sheet of them, or both."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

logger = logging.getLogger(__name__)

CUE_KINDS = ("letter", "text", "border", "exposure")
_SHEET = ("health", "sick", "tb", "tb") * 3


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    p = subparsers.add_parser(
        "phantom",
        help="write synthetic chest images with known lesions and shortcuts, in TBX11K's layout",
        description="Write synthetic chest images (no patient) with known lesions and shortcuts, in TBX11K's layout.",
    )
    counts = ("HEALTH", "SICK", "TB")
    p.add_argument("--output", type=Path, help="folder of the data set; absent, empty, or holding the same data set")
    p.add_argument(
        "--train", type=int, nargs=3, default=(300, 300, 300), metavar=counts, help="training images a class"
    )
    p.add_argument(
        "--val", type=int, nargs=3, default=(100, 100, 100), metavar=counts, help="validation images a class"
    )
    p.add_argument("--size", type=int, default=512, help="side of the images in pixels (default 512)")
    p.add_argument("--seed", type=int, default=0, help="the same seed gives the same images (default 0)")
    p.add_argument("--train_agreement", type=float, default=0.9, help="how often a cue agrees with TB (default 0.9)")
    p.add_argument("--val_agreement", type=float, default=0.1, help="the same in the validation split (default 0.1)")
    p.add_argument("--shortcuts", nargs="*", choices=CUE_KINDS, default=list(CUE_KINDS), help="which cues there are")
    p.add_argument("--workers", type=int, default=0, help="processes that make images; 0 makes them in this one")
    p.add_argument("--lung_fields", action="store_true", help="write lung-field masks too")
    p.add_argument("--sheet", type=Path, metavar="PNG", help="write a contact sheet of 12 images with boxes drawn")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write; 2 if the arguments make no data set."""
    from monai_tbkd.data.phantom import CLASS_NAMES, ShortcutSpec, make_image, write_phantom_dataset, write_sheet

    if args.output is None and args.sheet is None:
        logger.error("nothing to write: give --output FOLDER for a data set, --sheet PNG for a contact sheet, or both")
        return 2
    try:
        if args.output is not None:
            train, val = (dict(zip(CLASS_NAMES, numbers, strict=True)) for numbers in (args.train, args.val))
            cues = (args.train_agreement, args.val_agreement, args.shortcuts)
            write_phantom_dataset(args.output, train, val, args.size, args.seed, *cues, args.workers, args.lung_fields)
        if args.sheet is not None:
            spec = ShortcutSpec(tuple(args.shortcuts), args.train_agreement)
            images = [make_image(name, (args.seed, 0, i), args.size, spec) for i, name in enumerate(_SHEET)]
            logger.info("wrote a contact sheet to %s", write_sheet(images, args.sheet))
    except (ValueError, FileExistsError) as error:
        logger.error("%s", error)
        return 2
    return 0
