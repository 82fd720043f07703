"""Corruptions, inserted cues, missing lungs, and whether maps show what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.robustness.corruptions import CORRUPTIONS, CorruptFilm, CorruptFilmd
    from monai_tbkd.robustness.cues import (
        CUES,
        CueFilm,
        InsertCued,
        MatchStyled,
        films_with_cue,
        insert_cue,
        match_histogram,
        quantiles,
    )
    from monai_tbkd.robustness.film_predictor import FilmPredictor, finished_networks
    from monai_tbkd.robustness.film_subset import film_subset, refuse_cut_films
    from monai_tbkd.robustness.map_agreement import mask_iou, rank_correlation, structural_similarity
    from monai_tbkd.robustness.occlusion import OCCLUSIONS, BlackOutd, find_lung_fields, hidden_places, lung_masks
    from monai_tbkd.robustness.robustness_study import RobustnessStudy
    from monai_tbkd.robustness.robustness_table import robustness_table
    from monai_tbkd.robustness.saliency_sanity import SaliencySanity, cascading_randomization

__all__ = [
    "CORRUPTIONS",
    "CUES",
    "OCCLUSIONS",
    "BlackOutd",
    "CorruptFilm",
    "CorruptFilmd",
    "CueFilm",
    "FilmPredictor",
    "InsertCued",
    "MatchStyled",
    "RobustnessStudy",
    "SaliencySanity",
    "cascading_randomization",
    "film_subset",
    "films_with_cue",
    "find_lung_fields",
    "finished_networks",
    "hidden_places",
    "insert_cue",
    "lung_masks",
    "mask_iou",
    "match_histogram",
    "quantiles",
    "rank_correlation",
    "refuse_cut_films",
    "robustness_table",
    "structural_similarity",
]

names_on_demand(__name__)
