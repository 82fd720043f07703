"""Localization metrics, blind baselines and bootstrap intervals."""

from __future__ import annotations

from monai_tbkd.metrics.best_box_iou import BestBoxIoU
from monai_tbkd.metrics.blind_baselines import center_box, location_prior
from monai_tbkd.metrics.bootstrap import Interval, area_under_roc, bootstrap_mean, bootstrap_ratio, bootstrap_statistic
from monai_tbkd.metrics.comparison import Comparison, Predictions, table
from monai_tbkd.metrics.pointing_game import PointingGame
from monai_tbkd.metrics.union_mask_iou import UnionMaskIoU, union_iou_sweep

__all__ = [
    "BestBoxIoU",
    "Comparison",
    "Interval",
    "PointingGame",
    "Predictions",
    "UnionMaskIoU",
    "area_under_roc",
    "bootstrap_mean",
    "bootstrap_ratio",
    "bootstrap_statistic",
    "center_box",
    "location_prior",
    "table",
    "union_iou_sweep",
]
