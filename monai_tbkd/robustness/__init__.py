"""Corruptions, inserted cues, missing lungs, and whether maps show what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.robustness.cues import images_with_cue
    from monai_tbkd.robustness.image_predictor import ImagePredictor, finished_networks
    from monai_tbkd.robustness.occlusion import find_lung_fields
    from monai_tbkd.robustness.robustness_study import RobustnessStudy, image_subset, refuse_cropped_images
    from monai_tbkd.robustness.saliency_sanity import SaliencySanity

__all__ = [
    "ImagePredictor",
    "RobustnessStudy",
    "SaliencySanity",
    "find_lung_fields",
    "finished_networks",
    "image_subset",
    "images_with_cue",
    "refuse_cropped_images",
]

names_on_demand(__name__)
