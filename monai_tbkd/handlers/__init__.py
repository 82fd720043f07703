"""Thin shells on engines: checkpoints, TensorBoard, evaluation, predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.handlers.evaluation_board import EvaluationBoard
    from monai_tbkd.handlers.film_progress import FilmProgress
    from monai_tbkd.handlers.finished_checkpoint import FinishedCheckpoint
    from monai_tbkd.handlers.localization_metrics import localization_metrics
    from monai_tbkd.handlers.map_recorder import MapRecorder
    from monai_tbkd.handlers.memory_release import MemoryRelease
    from monai_tbkd.handlers.overlay_panel import OverlayPanel, panel_items
    from monai_tbkd.handlers.prediction_writer import PredictionWriter
    from monai_tbkd.handlers.received_checkpoint import ReceivedCheckpoint
    from monai_tbkd.handlers.stage_writer import StageWriter
    from monai_tbkd.handlers.training_scalars import TrainingScalars, loss_summary
    from monai_tbkd.handlers.training_state import TrainingState

__all__ = [
    "EvaluationBoard",
    "FilmProgress",
    "FinishedCheckpoint",
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
    "panel_items",
]

names_on_demand(__name__)
