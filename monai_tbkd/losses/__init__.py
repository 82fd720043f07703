"""Loss terms and their weighted sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.losses.distillation_losses import CellDistillationLoss, LogitDistillationLoss, MapDistillationLoss
    from monai_tbkd.losses.distillation_objective import DistillationObjective
    from monai_tbkd.losses.label_losses import BalancedLabelLoss, BoxSupervisionLoss, LabelLoss, RegionLabelLoss
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
