"""The ``report`` command: pages of an evaluation, of several seeds, or of an inference."""

from __future__ import annotations

import argparse
import logging
import sys

from monai_tbkd.data.files.atomic_write import write_json
from monai_tbkd.report.evaluation_page import refresh_evaluation_page
from monai_tbkd.report.image_reports import write_reports
from monai_tbkd.report.seed_summary import read_run, seed_table, summarize_runs, write_seed_page

logger = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    """Write it and say where it is."""
    if len(args.runs) == 1:
        folder = args.runs[0]
        inference = (folder / "predictions.json").is_file()
        if inference:
            logger.info("wrote %s", write_reports(folder))
        if not inference or (folder / "metrics.json").is_file():
            logger.info("wrote %s", refresh_evaluation_page(folder))
        return 0
    if args.output_dir is None:
        raise ValueError("No --output_dir; give a folder for seeds.json and seeds.html.")
    result = summarize_runs([read_run(folder) for folder in args.runs], args.bootstrap_resamples)
    write_json(args.output_dir / "seeds.json", result)
    page = write_seed_page(args.output_dir, result)
    sys.stdout.write(seed_table(result) + "\n")
    logger.info("wrote %s and seeds.json", page)
    return 0
