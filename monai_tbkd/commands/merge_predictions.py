"""``merge_predictions``: join the parts of a large inference."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    p = subparsers.add_parser(
        "merge_predictions",
        help="join the parts of an inference that was run with --shard",
        description="Join OUT/shard_1_of_8, OUT/shard_2_of_8, ... to OUT/predictions.csv and .json, the table of a "
        "single run. Ends with 3 where images have failed. Research use only, not for diagnosis.",
    )
    p.add_argument("output_dir", type=Path, metavar="OUT", help="output_dir of the parts")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Join the parts; 3 where images have failed."""
    from monai_tbkd.bundle.plain_errors import IMAGES_FAILED
    from monai_tbkd.results.merged_predictions import merge_predictions

    return IMAGES_FAILED if merge_predictions(args.output_dir).failed else 0
