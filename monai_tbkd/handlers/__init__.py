"""Handlers of engines: checkpoints, TensorBoard, evaluation, predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.handlers.image_progress import ImageProgress, MemoryRelease
    from monai_tbkd.handlers.map_recorder import MapRecorder, localization_metrics
    from monai_tbkd.handlers.prediction_writer import PredictionWriter
    from monai_tbkd.handlers.stage_writer import OverlayPanel, StageWriter, TrainingScalars, loss_summary
    from monai_tbkd.handlers.training_state import FinishedCheckpoint, ReceivedCheckpoint, TrainingState

__all__ = [
    "FinishedCheckpoint",
    "ImageProgress",
    "MapRecorder",
    "MemoryRelease",
    "OverlayPanel",
    "PredictionWriter",
    "ReceivedCheckpoint",
    "StageWriter",
    "TrainingScalars",
    "TrainingState",
    "localization_metrics",
    "loss_summary",
]

names_on_demand(__name__)
