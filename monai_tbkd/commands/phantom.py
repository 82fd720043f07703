"""``phantom``: write a data set of synthetic chest X-rays, or a contact sheet of them, or both."""

from __future__ import annotations

import argparse
import logging

from monai_tbkd.data.phantom import CLASS_NAMES, ShortcutSpec, make_image, write_phantom_dataset, write_sheet

logger = logging.getLogger(__name__)

_SHEET = ("health", "sick", "tb", "tb") * 3


def run(args: argparse.Namespace) -> int:
    """Write one of the two or both."""
    if args.output is None and args.sheet is None:
        raise ValueError("Nothing to write: give --output FOLDER for a data set, --sheet PNG for a sheet, or both.")
    if args.output is not None:
        train, val = (dict(zip(CLASS_NAMES, numbers, strict=True)) for numbers in (args.train, args.val))
        cues = (args.train_agreement, args.val_agreement, args.shortcuts)
        write_phantom_dataset(args.output, train, val, args.size, args.seed, *cues, args.workers, args.lung_fields)
    if args.sheet is not None:
        spec = ShortcutSpec(tuple(args.shortcuts), args.train_agreement)
        images = [make_image(name, (args.seed, 0, i), args.size, spec) for i, name in enumerate(_SHEET)]
        logger.info("wrote a contact sheet to %s", write_sheet(images, args.sheet))
    return 0
