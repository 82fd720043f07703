"""Localization and image-level metrics, blind baselines and bootstrap intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.metrics.blind_baselines import location_prior
    from monai_tbkd.metrics.bootstrap import Interval, bootstrap_mean
    from monai_tbkd.metrics.comparison import Comparison
    from monai_tbkd.metrics.comparison_table import table
    from monai_tbkd.metrics.map_metrics import PointingGame, UnionMaskIoU, union_iou_sweep
    from monai_tbkd.metrics.predictor_measures import DEFINITIONS, Predictions

__all__ = [
    "DEFINITIONS",
    "Comparison",
    "Interval",
    "PointingGame",
    "Predictions",
    "UnionMaskIoU",
    "bootstrap_mean",
    "location_prior",
    "table",
    "union_iou_sweep",
]

names_on_demand(__name__)
