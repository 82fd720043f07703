"""``python deploy -i IMAGES -o RESULTS -m MODEL``."""

from __future__ import annotations

import sys

from app import ChestImageApp

from monai_tbkd.bundle import IMAGES_FAILED, show_errors_plainly


def main() -> int:
    """Run the app; the exit status is 3 where images could not be processed."""
    show_errors_plainly()
    app = ChestImageApp()
    app.run()
    return IMAGES_FAILED if app.inference.failed else 0


if __name__ == "__main__":
    sys.exit(main())
