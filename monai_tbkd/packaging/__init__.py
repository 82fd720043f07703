"""The bundle as a folder, and its way into packages."""

from __future__ import annotations

from monai_tbkd.packaging.bundle_location import bundle_files, bundle_root, recipe_files

__all__ = ["bundle_files", "bundle_root", "recipe_files"]
