"""The bundle as a folder, its way into packages, and its words to the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.packaging.bundle_location import bundle_files, bundle_root, recipe_files
    from monai_tbkd.packaging.choices import choices
    from monai_tbkd.packaging.exit_status import FILMS_FAILED, end_with
    from monai_tbkd.packaging.extras import with_extra
    from monai_tbkd.packaging.plain_errors import show_errors_plainly
    from monai_tbkd.packaging.recorded_settings import model_settings, read_model
    from monai_tbkd.packaging.released import models_folder, released_model
    from monai_tbkd.packaging.settings import literal, read_settings, set_option, truth
    from monai_tbkd.packaging.shared_config import shared
    from monai_tbkd.packaging.training_config import config_settings, run_stages

__all__ = [
    "FILMS_FAILED",
    "bundle_files",
    "bundle_root",
    "choices",
    "config_settings",
    "end_with",
    "literal",
    "model_settings",
    "models_folder",
    "read_model",
    "read_settings",
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
