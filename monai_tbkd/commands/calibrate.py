"""``calibrate``: a threshold from images with known labels."""

from __future__ import annotations

import argparse
from pathlib import Path

INPUT_KINDS = ("dicom", "picture", "converted", "mixed")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    p = subparsers.add_parser(
        "calibrate",
        help="choose a threshold on images with known labels, and say what it finds and costs",
        description="Choose a threshold for one model and one kind of images, on images with known labels; write the "
        "table of the WHO/TDR toolkit for calibrating computer-aided detection. Research use only, not for diagnosis.",
    )
    p.add_argument("--predictions", type=Path, required=True, metavar="CSV", help="predictions.csv of an inference")
    p.add_argument("--labels", type=Path, required=True, help="CSV with image,label[,patient_id], or a data set")
    p.add_argument("--output", type=Path, required=True, help="folder for calibration.* and threshold.json")
    p.add_argument(
        "--target",
        default="sensitivity=0.9",
        help="what the threshold has to reach: sensitivity=0.9 (default), specificity=0.7, or youden",
    )
    p.add_argument("--prevalence", type=float, default=0.005, help="fraction with TB of those screened (default 0.005)")
    p.add_argument("--cost_image", type=float, default=5.0, help="of an image and its score (default 5)")
    p.add_argument("--cost_test", type=float, default=20.0, help="of a confirmatory test (default 20)")
    p.add_argument("--input_kind", choices=INPUT_KINDS, help="take only these images; mixed takes all together")
    p.add_argument("--patient_column", metavar="NAME", help="column of the labels CSV with the patient")
    p.add_argument("--model", type=Path, metavar="PT", help="the model, to see whether it was trained on these images")
    p.add_argument("--resamples", type=int, default=2000, help="bootstrap samples (default 2000)")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run it."""
    from monai_tbkd.commands.calibration_run import run as run_it

    return run_it(args)
