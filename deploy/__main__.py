"""``python deploy -i FILMS -o RESULTS -m MODEL``."""

from __future__ import annotations

import sys

from app import ChestFilmApp

from monai_tbkd.bundle import FILMS_FAILED, show_errors_plainly


def main() -> int:
    """Run the app; the exit status is 3 where films could not be processed."""
    show_errors_plainly()
    app = ChestFilmApp()
    app.run()
    return FILMS_FAILED if app.inference.failed else 0


if __name__ == "__main__":
    sys.exit(main())
