"""Training and evaluation on MONAI's engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.engines.correction_images import correction_images, correction_sampler
    from monai_tbkd.engines.distillation_trainer import DistillationTrainer
    from monai_tbkd.engines.federated import federated_averaging, federated_site
    from monai_tbkd.engines.fine_tuning import FineTuning, frozen_copy, image_maps, release_model
    from monai_tbkd.engines.inference_thresholds import load_operating_point
    from monai_tbkd.engines.model_comparison import ModelComparison
    from monai_tbkd.engines.prefetching_network import PrefetchingNetwork
    from monai_tbkd.engines.preparation import fit_reduction, prepare_student
    from monai_tbkd.engines.stages import FinishedTeacher, stage_path, training_record, training_settings
    from monai_tbkd.engines.training_images import kept_images, with_teacher_maps
    from monai_tbkd.networks.checkpoint import file_sha256
    from monai_tbkd.networks.finished_network import describe_module, load_trained

__all__ = [
    "DistillationTrainer",
    "FineTuning",
    "FinishedTeacher",
    "ModelComparison",
    "PrefetchingNetwork",
    "correction_images",
    "correction_sampler",
    "describe_module",
    "federated_averaging",
    "federated_site",
    "file_sha256",
    "fit_reduction",
    "frozen_copy",
    "image_maps",
    "kept_images",
    "load_operating_point",
    "load_trained",
    "prepare_student",
    "release_model",
    "stage_path",
    "training_record",
    "training_settings",
    "with_teacher_maps",
]

names_on_demand(__name__)
