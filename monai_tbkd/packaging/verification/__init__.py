"""The Model Zoo's checks of a bundle's folder, offline."""

from __future__ import annotations

from monai_tbkd.packaging.verification.finding import ERROR, OK, SKIPPED, WARNING, Finding

__all__ = ["ERROR", "OK", "SKIPPED", "WARNING", "Finding"]
