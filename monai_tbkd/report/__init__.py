"""Pages, charts and tables of results for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.report.evaluation_images import write_image_overlays
    from monai_tbkd.report.evaluation_page import write_evaluation_page
    from monai_tbkd.report.image_reports import ImageReports

__all__ = ["ImageReports", "write_evaluation_page", "write_image_overlays"]

names_on_demand(__name__)
