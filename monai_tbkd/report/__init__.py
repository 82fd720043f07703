"""Tables, pictures and pages of results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.report.evaluation_page import write_evaluation_page
    from monai_tbkd.report.film_overlays import write_film_overlays
    from monai_tbkd.report.film_reports import FilmReports
    from monai_tbkd.report.prediction_table import PredictionTable, known_overlay_format
    from monai_tbkd.report.shared_prediction_table import SharedPredictionTable

__all__ = [
    "FilmReports",
    "PredictionTable",
    "SharedPredictionTable",
    "known_overlay_format",
    "write_evaluation_page",
    "write_film_overlays",
]

names_on_demand(__name__)
