"""A model in Python: images in, findings out."""

from __future__ import annotations

from monai_tbkd.inference.finding import Finding
from monai_tbkd.inference.localization_model import LocalizationModel, load_model

__all__ = ["Finding", "LocalizationModel", "load_model"]
