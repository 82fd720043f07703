"""Options of commands that build the network of a trained model."""

from __future__ import annotations

import argparse
from pathlib import Path


def checkpoint_of(args: argparse.Namespace) -> Path:
    """Return the checkpoint of a command line, or that of the released model.

    Raises:
        FileNotFoundError: there is no released model.
    """
    from monai_tbkd.bundle.locations import MODEL, released_model

    return args.checkpoint if args.checkpoint is not None else released_model() / MODEL


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--checkpoint``, ``--recipe`` (a list) and ``--set`` (a list at ``values``)."""
    parser.add_argument(
        "--checkpoint", type=Path, metavar="PT", help="the trained model.pt (default: the released model)"
    )
    parser.add_argument(
        "--recipe", action="append", default=[], metavar="NAME|FILE",
        help="what the model was trained with over train.yaml: demo, paper, ..., or a file; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="ID=VALUE", dest="values",
        help="a value as it was given on the command line of the training, such as stride_in_1x1=true",
    )  # fmt: skip
