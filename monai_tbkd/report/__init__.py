"""Pictures and pages of results."""

from __future__ import annotations

from monai_tbkd.report.film_overlays import write_film_overlays

__all__ = ["write_film_overlays"]
