"""``merge_predictions``: join the parts of a large inference."""

from __future__ import annotations

import argparse

from monai_tbkd.bundle.plain_errors import IMAGES_FAILED
from monai_tbkd.results.merged_predictions import merge_predictions


def run(args: argparse.Namespace) -> int:
    """Join the parts; 3 where images have failed."""
    return IMAGES_FAILED if merge_predictions(args.output_dir).failed else 0
