"""The ``locate`` command: find tuberculosis on images, a line each."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

STATUS = "Exit status: 0; 3 if images could not be read; 2 if something has to be mended first; 130 after Ctrl-C."


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    p = subparsers.add_parser(
        "locate",
        help="find where tuberculosis is on images: score, decision and boxes, a line an image",
        description="Find where tuberculosis is on chest X-rays (PNG, JPEG, TIFF, BMP, DICOM, NIfTI, MetaImage, NRRD): "
        "a line an image, with score, decision and boxes (xmin ymin xmax ymax in its pixels), or the reason why not. "
        f"Research use only, not for diagnosis. {STATUS}",
    )
    p.add_argument("images", nargs="+", metavar="IMAGE_OR_FOLDER", help="images, and folders with any below them")
    p.add_argument("--output", type=Path, metavar="DIR", help="write predictions.csv, .json and .html, overlays and a "
                   "page an image there")  # fmt: skip
    p.add_argument("--open", action="store_true", help="open the page of all images in the browser")
    p.add_argument("--ckpt_dir", type=Path, metavar="DIR", help="folder of a model.pt (default: the released model)")
    p.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="settings", help="other "
                   "keys of inference.yaml, like threshold_file=threshold.json")  # fmt: skip
    p.add_argument("--verbose", action="store_true", help="show what MONAI and decoders have to say, too")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run it."""
    from monai_tbkd.commands.quick_imports import import_monai_quickly
    from monai_tbkd.commands.quiet import quiet

    with contextlib.nullcontext() if args.verbose else quiet():
        if not args.verbose:
            import_monai_quickly()
        from monai_tbkd.commands.locate_run import run as run_it

        return run_it(args)
