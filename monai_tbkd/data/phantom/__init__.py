"""Phantom films: synthetic frontal chest X-rays with known lesions and known shortcuts, made from a seed."""

from __future__ import annotations

from monai_tbkd.data.film_classes import CLASS_NAMES
from monai_tbkd.data.phantom.cues import CUE_KINDS, Cue, ShortcutSpec
from monai_tbkd.data.phantom.dataset import write_phantom_dataset, write_sheet
from monai_tbkd.data.phantom.disease import Lesion
from monai_tbkd.data.phantom.film import GENERATOR_VERSION, PhantomFilm, make_film

__all__ = [
    "CLASS_NAMES",
    "CUE_KINDS",
    "GENERATOR_VERSION",
    "Cue",
    "Lesion",
    "PhantomFilm",
    "ShortcutSpec",
    "make_film",
    "write_phantom_dataset",
    "write_sheet",
]
