"""``check_data``: what is in a data set, and what is wrong with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from monai_tbkd.data.film_classes import LAYOUTS


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    p = subparsers.add_parser(
        "check_data",
        help="report what is in a data set: films, boxes, faults, duplicates, shortcuts",
        description="Read every film of a data set and report splits, classes, boxes, faults and duplicates. "
        "Ends with 0 if the data set can be used, with 1 if not.",
    )
    p.add_argument("dataset_dir", nargs="+", type=Path, metavar="DIR", help="a folder or CSV file; several are merged")
    p.add_argument(
        "--layout", choices=LAYOUTS, default="auto", help="of the data set (default: from its content)"
    )
    p.add_argument("--workers", type=int, default=0, help="processes that read films; 0 reads in this one (default)")
    p.add_argument("--duplicates", action="store_true", default=True, help="look for duplicates (default)")
    p.add_argument("--no_duplicates", dest="duplicates", action="store_false", help="do not look for duplicates")
    p.add_argument(
        "--shortcuts", action="store_true", help="measure how well a model predicts the label without lungs"
    )
    p.add_argument("--json", type=Path, metavar="FILE", help="write everything, every duplicate included, to FILE")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run it."""
    from monai_tbkd.commands.data_report import run as run_it

    return run_it(args)
