"""Corruptions, inserted cues, missing lungs, and whether maps show what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.robustness.cues import films_with_cue
    from monai_tbkd.robustness.film_predictor import FilmPredictor, finished_networks
    from monai_tbkd.robustness.occlusion import find_lung_fields
    from monai_tbkd.robustness.robustness_study import RobustnessStudy, film_subset, refuse_cut_films
    from monai_tbkd.robustness.saliency_sanity import SaliencySanity

__all__ = [
    "FilmPredictor",
    "RobustnessStudy",
    "SaliencySanity",
    "film_subset",
    "films_with_cue",
    "find_lung_fields",
    "finished_networks",
    "refuse_cut_films",
]

names_on_demand(__name__)
