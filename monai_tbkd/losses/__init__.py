"""Distillation terms, one a file, and their weighted sum."""

from __future__ import annotations

from monai_tbkd.losses.balanced_label_loss import BalancedLabelLoss
from monai_tbkd.losses.distillation_objective import DistillationObjective
from monai_tbkd.losses.label_loss import LabelLoss
from monai_tbkd.losses.logit_distillation import LogitDistillationLoss
from monai_tbkd.losses.map_distillation import MapDistillationLoss

__all__ = ["BalancedLabelLoss", "DistillationObjective", "LabelLoss", "LogitDistillationLoss", "MapDistillationLoss"]
