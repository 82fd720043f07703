"""Training and evaluation on MONAI's engines."""

from __future__ import annotations

from monai_tbkd.engines.distillation_trainer import TEACHER_MAP, DistillationTrainer
from monai_tbkd.engines.model_comparison import ModelComparison, load_operating_point
from monai_tbkd.engines.stages import (
    finished_teacher,
    load_trained,
    run_unless_finished,
    training_record,
    training_settings,
)
from monai_tbkd.engines.teacher_maps import TeacherMaps, make_teacher_maps

__all__ = [
    "TEACHER_MAP",
    "DistillationTrainer",
    "ModelComparison",
    "TeacherMaps",
    "finished_teacher",
    "load_operating_point",
    "load_trained",
    "make_teacher_maps",
    "run_unless_finished",
    "training_record",
    "training_settings",
]
