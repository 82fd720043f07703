"""Networks that return an activation map, its pooling, and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.networks.activation_map_net import ActivationMapNet, hold_batch_statistics
    from monai_tbkd.networks.checkpoint import model_version
    from monai_tbkd.networks.finished_network import finished_network
    from monai_tbkd.networks.log_odds import class_log_odds
    from monai_tbkd.networks.lung_field import LungFieldNet
    from monai_tbkd.networks.map_pooling import AverageMapPool, HemithoraxMapPool, LogSumExpMapPool
    from monai_tbkd.networks.symmetric_map_net import FeatureMapNet, SymmetricMapNet, trained_part
    from monai_tbkd.networks.teacher_view import FrameMaskView, ViewedNet
    from monai_tbkd.networks.weights import initial_weights, load_backbone_weights, load_checkpoint, read_state_dict

__all__ = [
    "ActivationMapNet",
    "AverageMapPool",
    "FeatureMapNet",
    "FrameMaskView",
    "HemithoraxMapPool",
    "LogSumExpMapPool",
    "LungFieldNet",
    "SymmetricMapNet",
    "ViewedNet",
    "class_log_odds",
    "finished_network",
    "hold_batch_statistics",
    "initial_weights",
    "load_backbone_weights",
    "load_checkpoint",
    "model_version",
    "read_state_dict",
    "trained_part",
]

names_on_demand(__name__)
