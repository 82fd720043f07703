"""What a model was trained with, as options of commands that build its network anew."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--checkpoint``, ``--recipe`` (a list) and ``--set`` (a list at ``values``)."""
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="PT", help="the trained model.pt")
    parser.add_argument(
        "--recipe", action="append", default=[], metavar="NAME|FILE",
        help="what the model was trained with over train.yaml: demo, tbx11k, ..., or a file; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="ID=VALUE", dest="values",
        help="a value as it was given on the command line of the training, such as stride_in_1x1=true",
    )  # fmt: skip
