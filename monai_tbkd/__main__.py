"""The commands of ``python -m monai_tbkd``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from monai_tbkd import __version__

COMMANDS = (
    "locate", "demo", "bundle", "phantom", "check_data", "calibrate", "export", "score", "report", "merge_predictions",
    "label_app", "take_reports", "export_labels", "pacs", "package", "verify_bundle",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; ValueError and OSError become one line, not a traceback."""
    parser = argparse.ArgumentParser(
        prog="tbkd" if Path(sys.argv[0]).name == "tbkd" else "python -m monai_tbkd",
        description="Find where tuberculosis is on chest X-rays. Research use only, not for diagnosis.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        import_module(f"monai_tbkd.commands.{command}").add_parser(subparsers)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return int(args.run(args))
    except (ValueError, OSError) as e:
        sys.stderr.write(f"error: {e}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
