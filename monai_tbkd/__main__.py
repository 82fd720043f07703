"""The commands of ``python -m monai_tbkd``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

from monai_tbkd import __version__
from monai_tbkd.commands.arguments import add_commands
from monai_tbkd.commands.quick_start import quick_and_quiet


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; ValueError and OSError become one line, not a traceback."""
    parser = argparse.ArgumentParser(
        prog="tbkd" if Path(sys.argv[0]).name == "tbkd" else "python -m monai_tbkd",
        description="Find where tuberculosis is on chest X-rays. Research use only, not for diagnosis.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    add_commands(parser)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        with quick_and_quiet() if getattr(args, "quick", False) else nullcontext():
            return int(import_module(f"monai_tbkd.commands.{args.command}").run(args))
    except (ValueError, OSError) as e:
        sys.stderr.write(f"error: {e}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
