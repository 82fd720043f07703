"""Phantom images: synthetic frontal chest X-rays with known lesions and known shortcuts, made from a seed."""

from __future__ import annotations

from monai_tbkd.data.lists.image_classes import CLASS_NAMES
from monai_tbkd.data.phantom.cues import CUE_KINDS, Cue, ShortcutSpec
from monai_tbkd.data.phantom.dataset import write_phantom_dataset, write_sheet
from monai_tbkd.data.phantom.disease import Lesion
from monai_tbkd.data.phantom.image import GENERATOR_VERSION, PhantomImage, make_image

__all__ = [
    "CLASS_NAMES",
    "CUE_KINDS",
    "GENERATOR_VERSION",
    "Cue",
    "Lesion",
    "PhantomImage",
    "ShortcutSpec",
    "make_image",
    "write_phantom_dataset",
    "write_sheet",
]
