"""Localization and image-level metrics, blind baselines and bootstrap intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.metrics.best_box_iou import BestBoxIoU, BoxAccuracy
    from monai_tbkd.metrics.blind_baselines import center_box, location_prior, upper_lung_boxes
    from monai_tbkd.metrics.bootstrap import (
        Interval,
        area_under_roc,
        bootstrap_mean,
        bootstrap_ratio,
        bootstrap_statistic,
    )
    from monai_tbkd.metrics.comparison import Comparison
    from monai_tbkd.metrics.comparison_table import table
    from monai_tbkd.metrics.detection_average_precision import DetectionAP, DetectionAR
    from monai_tbkd.metrics.false_boxes import FalseBoxes
    from monai_tbkd.metrics.froc import FROC
    from monai_tbkd.metrics.image_level import ImageLevelMetric
    from monai_tbkd.metrics.matched_box_iou import MatchedBoxIoU
    from monai_tbkd.metrics.max_box_acc import MaxBoxAcc
    from monai_tbkd.metrics.pixel_average_precision import PixelAP
    from monai_tbkd.metrics.pointing_game import PointingGame
    from monai_tbkd.metrics.predictor_measures import DEFINITIONS, Predictions
    from monai_tbkd.metrics.saliency_energy import AverageSaliencyFocus, ProportionalEnergy
    from monai_tbkd.metrics.union_mask_iou import UnionMaskIoU, union_iou_sweep

__all__ = [
    "DEFINITIONS",
    "FROC",
    "AverageSaliencyFocus",
    "BestBoxIoU",
    "BoxAccuracy",
    "Comparison",
    "DetectionAP",
    "DetectionAR",
    "FalseBoxes",
    "ImageLevelMetric",
    "Interval",
    "MatchedBoxIoU",
    "MaxBoxAcc",
    "PixelAP",
    "PointingGame",
    "Predictions",
    "ProportionalEnergy",
    "UnionMaskIoU",
    "area_under_roc",
    "bootstrap_mean",
    "bootstrap_ratio",
    "bootstrap_statistic",
    "center_box",
    "location_prior",
    "table",
    "union_iou_sweep",
    "upper_lung_boxes",
]

names_on_demand(__name__)
