"""Store of inference results: one row per image, resumable and mergeable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.results.prediction_table import PredictionTable, known_overlay_format
    from monai_tbkd.results.shared_prediction_table import SharedPredictionTable

__all__ = ["PredictionTable", "SharedPredictionTable", "known_overlay_format"]

names_on_demand(__name__)
