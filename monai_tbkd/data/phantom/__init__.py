"""Phantom films: synthetic frontal chest X-rays with known lesions and known shortcuts, made from a seed."""

from __future__ import annotations

from monai_tbkd.data.phantom.dataset import write_phantom_dataset
from monai_tbkd.data.phantom.film import GENERATOR_VERSION, make_film
from monai_tbkd.data.phantom.records import CLASS_NAMES, Cue, Lesion, PhantomFilm
from monai_tbkd.data.phantom.sheet import write_sheet
from monai_tbkd.data.phantom.shortcuts import CUE_KINDS, ShortcutSpec

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
