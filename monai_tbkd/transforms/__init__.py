"""Preprocessing; kept features; the student's target; map to score, mask and boxes; overlays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.transforms.box_mask import BoxMaskd, DrawnBoxesd, box_masks, film_box_mask
    from monai_tbkd.transforms.boxes_to_film import BoxesToFilmd, rescale_boxes
    from monai_tbkd.transforms.cut_border import CutBorder, CutBorderd
    from monai_tbkd.transforms.film_augmentation import PlainFilmd, RandAffineFilmd, RandGammaFilmd, RandMirrorFilmd
    from monai_tbkd.transforms.film_to_8bit import FilmTo8Bit, FilmTo8Bitd
    from monai_tbkd.transforms.frontal_gate import CheckFrontal, CheckFrontald
    from monai_tbkd.transforms.frozen_features import FrozenFeaturesd, RandMirrorFeaturesd
    from monai_tbkd.transforms.lung_box import LungBoxFinder, box_of_lungs
    from monai_tbkd.transforms.lung_crop import CropToLungs, CropToLungsd, MapToWholeFilmd
    from monai_tbkd.transforms.map_to_boxes import Boxes, MapToBoxes, MapToBoxesd
    from monai_tbkd.transforms.map_to_mask import MapToMask, MapToMaskd, stretch_map, upsample_map
    from monai_tbkd.transforms.map_to_score import (
        MapToTBProbability,
        MapToTBProbabilityd,
        MapToTBScore,
        MapToTBScored,
    )
    from monai_tbkd.transforms.normalize_film import NormalizeFilm, NormalizeFilmd
    from monai_tbkd.transforms.notice import NOTICE, notice_of
    from monai_tbkd.transforms.overlay import (
        DrawOverlay,
        Panel,
        blend_map,
        draw_panels,
        film_for_display,
    )
    from monai_tbkd.transforms.paste_regions import PasteRegionsd
    from monai_tbkd.transforms.resize_film import ResizeFilm, ResizeFilmd
    from monai_tbkd.transforms.student_target import AddLungPriord, CenterMapd, CloseByLabeld, SmoothMapd

__all__ = [
    "NOTICE",
    "AddLungPriord",
    "BoxMaskd",
    "Boxes",
    "BoxesToFilmd",
    "CenterMapd",
    "CheckFrontal",
    "CheckFrontald",
    "CloseByLabeld",
    "CropToLungs",
    "CropToLungsd",
    "CutBorder",
    "CutBorderd",
    "DrawOverlay",
    "DrawnBoxesd",
    "FilmTo8Bit",
    "FilmTo8Bitd",
    "FrozenFeaturesd",
    "LungBoxFinder",
    "MapToBoxes",
    "MapToBoxesd",
    "MapToMask",
    "MapToMaskd",
    "MapToTBProbability",
    "MapToTBProbabilityd",
    "MapToTBScore",
    "MapToTBScored",
    "MapToWholeFilmd",
    "NormalizeFilm",
    "NormalizeFilmd",
    "Panel",
    "PasteRegionsd",
    "PlainFilmd",
    "RandAffineFilmd",
    "RandGammaFilmd",
    "RandMirrorFeaturesd",
    "RandMirrorFilmd",
    "ResizeFilm",
    "ResizeFilmd",
    "SmoothMapd",
    "blend_map",
    "box_masks",
    "box_of_lungs",
    "draw_panels",
    "film_box_mask",
    "film_for_display",
    "notice_of",
    "rescale_boxes",
    "stretch_map",
    "upsample_map",
]

names_on_demand(__name__)
