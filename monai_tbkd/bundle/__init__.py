"""The running bundle: where its files are, its settings, and how it reports errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.bundle.locations import (
        bundle_files,
        bundle_root,
        models_folder,
        recipe_file,
        recipe_files,
        released_model,
    )
    from monai_tbkd.bundle.plain_errors import IMAGES_FAILED, end_with, parsed_content, show_errors_plainly, with_extra
    from monai_tbkd.bundle.recorded_settings import model_settings, read_model
    from monai_tbkd.bundle.running_config import shared
    from monai_tbkd.bundle.settings import choices, literal, read_settings, set_option, truth
    from monai_tbkd.bundle.training_config import config_settings, run_stages

__all__ = [
    "IMAGES_FAILED",
    "bundle_files",
    "bundle_root",
    "choices",
    "config_settings",
    "end_with",
    "literal",
    "model_settings",
    "models_folder",
    "parsed_content",
    "read_model",
    "read_settings",
    "recipe_file",
    "recipe_files",
    "released_model",
    "run_stages",
    "set_option",
    "shared",
    "show_errors_plainly",
    "truth",
    "with_extra",
]

names_on_demand(__name__)
