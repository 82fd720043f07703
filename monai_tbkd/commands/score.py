"""``score``: score the maps or boxes of any method with the evaluator of our networks."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from monai_tbkd.data.lists.image_classes import LAYOUTS

SELECTIONS = ("boxes", "otsu", "fraction")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    p = subparsers.add_parser(
        "score",
        help="score anyone's maps or boxes on a data set, beside blind baselines",
        description=(
            "Score maps (a .npy file an image) or boxes (COCO's format of results) of any method with the evaluator "
            "that scores our networks: metrics.json, report.html, images.csv. Thresholds are chosen on the selection "
            "split. Research use only, not for diagnosis."
        ),
    )
    p.add_argument("--dataset_dir", nargs="+", required=True, help="data set, or several, as for training")
    p.add_argument("--maps", action="append", default=[], metavar="[NAME=]DIR", help="maps; may be given several times")
    p.add_argument("--boxes", action="append", default=[], metavar="[NAME=]FILE", help="boxes; several times as well")
    scores = "scores of images, columns name and score (0-1); without them an image's highest map value or box score"
    p.add_argument("--scores", action="append", default=[], metavar="[NAME=]CSV", help=scores)
    p.add_argument("--output_dir", type=Path, help="gets metrics.json, report.html and images.csv")
    p.add_argument("--list_images", type=Path, metavar="CSV", help="write which images are in which split, and stop")

    images = p.add_argument_group("images, as for training")
    images.add_argument("--layout", choices=LAYOUTS, default="auto", help="of the data set (default auto)")
    images.add_argument("--select", type=_size, default=0.15, help="selection split: fraction or number (default 0.15)")
    images.add_argument("--test", type=_size, default=None, help="reported split, where it is not the data set's own")
    images.add_argument("--test_dir", nargs="+", help="data sets that are all reported, as a hospital that is held out")
    images.add_argument("--lung_field_dir", type=Path, help="lung masks by image name, for one more blind baseline")

    given = p.add_argument_group("what is given")
    scale = (
        "of maps: none: they are of 0-1 (default); all: one scale for all images; image: each image by its own range"
    )
    given.add_argument("--scale", choices=("none", "all", "image"), default="none", help=scale)
    given.add_argument("--coco", type=Path, help="the data set's COCO annotations, for boxes with image_id")
    given.add_argument("--category_ids", type=int, nargs="+", help="categories of boxes that are TB (default all)")
    missing, extra = "images without a map or score (default error)", "images not in the data set (default error)"
    given.add_argument("--missing", choices=("error", "empty"), default="error", help=missing)
    given.add_argument("--extra", choices=("error", "ignore"), default="error", help=extra)

    chosen = p.add_argument_group("thresholds")
    chosen.add_argument("--selection", choices=SELECTIONS, default="boxes", help="how map thresholds are chosen")
    chosen.add_argument(
        "--map_threshold", type=_fraction, help="given instead of chosen: of maps, or of box scores (0-1)"
    )
    chosen.add_argument("--score_threshold", type=_fraction, help="given instead of chosen: of image scores (0-1)")

    how = p.add_argument_group("how it is measured, as evaluate.yaml has it")
    how.add_argument("--grid", type=int, default=256, help="cells along each side of the grid (default 256)")
    how.add_argument("--smallest_area", type=float, default=0.002, help="of a component of a map (default 0.002)")
    how.add_argument("--largest_number", type=int, default=8, help="of boxes drawn from a map (default 8)")
    how.add_argument("--bootstrap_resamples", type=int, default=2000, help="default 2000")
    how.add_argument("--seed", type=int, default=0, help="of the bootstrap (default 0)")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run it."""
    from monai_tbkd.commands.prediction_scoring import run as run_it

    return run_it(args)


def _size(text: str) -> float:
    number = _number(text)
    if number <= 0 or (number >= 1 and number != int(number)):
        raise argparse.ArgumentTypeError(
            f"is {text!r}; expected a fraction above 0 and below 1, or a whole number of images"
        )
    return number if number < 1 else int(number)


def _fraction(text: str) -> float:
    number = _number(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"is {text!r}; expected 0 to 1")
    return number


def _number(text: str) -> float:
    """A finite number; -1 for other text."""
    try:
        number = float(text)
    except ValueError:
        return -1.0
    return number if math.isfinite(number) else -1.0
