"""The ``report`` command: write an evaluation's report anew, as after a robustness study."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from monai_tbkd.report.evaluation_page import refresh_evaluation_page

logger = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    p = subparsers.add_parser(
        "report",
        help="write report.html anew from metrics.json and robustness.json",
        description=(
            "Write report.html anew from metrics.json and robustness.json, as after a robustness study. Films and "
            "curves that the evaluation drew are kept. Research use only, not for diagnosis."
        ),
    )
    p.add_argument("output_dir", type=Path, help="output_dir of an evaluation")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write it and say where it is."""
    logger.info("wrote %s", refresh_evaluation_page(args.output_dir))
    return 0
