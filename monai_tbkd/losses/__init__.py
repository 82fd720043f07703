"""Distillation terms, one a file, their weighted sum, and how weights change during training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.losses.balanced_label_loss import BalancedLabelLoss
    from monai_tbkd.losses.box_supervision import BoxSupervisionLoss
    from monai_tbkd.losses.cell_distillation import CellDistillationLoss
    from monai_tbkd.losses.distillation_objective import DistillationObjective
    from monai_tbkd.losses.label_loss import LabelLoss
    from monai_tbkd.losses.logit_distillation import LogitDistillationLoss
    from monai_tbkd.losses.map_distillation import MapDistillationLoss
    from monai_tbkd.losses.region_label_loss import RegionLabelLoss
    from monai_tbkd.networks.log_odds import UNKNOWN_LABEL

__all__ = [
    "UNKNOWN_LABEL",
    "BalancedLabelLoss",
    "BoxSupervisionLoss",
    "CellDistillationLoss",
    "DistillationObjective",
    "LabelLoss",
    "LogitDistillationLoss",
    "MapDistillationLoss",
    "RegionLabelLoss",
]

names_on_demand(__name__)
