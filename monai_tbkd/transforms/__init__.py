"""Preprocessing; kept features; the student's target; map to score, mask and boxes; overlays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai_tbkd import names_on_demand

if TYPE_CHECKING:
    from monai_tbkd.transforms.box_mask import BoxMaskd, DrawnBoxesd, box_masks, image_box_mask
    from monai_tbkd.transforms.crop_border import CropBorderd
    from monai_tbkd.transforms.frontal_gate import CheckFrontal, CheckFrontald
    from monai_tbkd.transforms.frozen_features import FrozenFeaturesd, RandMirrorFeaturesd
    from monai_tbkd.transforms.image_augmentation import (
        PlainImaged,
        RandAffineImaged,
        RandGammaImaged,
        RandMirrorImaged,
    )
    from monai_tbkd.transforms.lung_crop import CropToLungsd, LungBoxFinder, MapToWholeImaged, box_of_lungs
    from monai_tbkd.transforms.map_to_boxes import (
        Boxes,
        BoxesToImaged,
        MapToBoxes,
        MapToBoxesd,
        MapToMask,
        MapToMaskd,
        MapToTBProbability,
        MapToTBProbabilityd,
        MapToTBScore,
        MapToTBScored,
        rescale_boxes,
        stretch_map,
        upsample_map,
    )
    from monai_tbkd.transforms.network_input import (
        ImageTo8Bit,
        ImageTo8Bitd,
        NormalizeImage,
        NormalizeImaged,
        ResizeImage,
        ResizeImaged,
    )
    from monai_tbkd.transforms.notice import NOTICE, notice_of
    from monai_tbkd.transforms.overlay import DrawOverlay, Panel, draw_panels, image_for_display
    from monai_tbkd.transforms.paste_regions import PasteRegionsd
    from monai_tbkd.transforms.student_target import AddLungPriord, CenterMapd, CloseByLabeld, SmoothMapd

__all__ = [
    "NOTICE",
    "AddLungPriord",
    "BoxMaskd",
    "Boxes",
    "BoxesToImaged",
    "CenterMapd",
    "CheckFrontal",
    "CheckFrontald",
    "CloseByLabeld",
    "CropBorderd",
    "CropToLungsd",
    "DrawOverlay",
    "DrawnBoxesd",
    "FrozenFeaturesd",
    "ImageTo8Bit",
    "ImageTo8Bitd",
    "LungBoxFinder",
    "MapToBoxes",
    "MapToBoxesd",
    "MapToMask",
    "MapToMaskd",
    "MapToTBProbability",
    "MapToTBProbabilityd",
    "MapToTBScore",
    "MapToTBScored",
    "MapToWholeImaged",
    "NormalizeImage",
    "NormalizeImaged",
    "Panel",
    "PasteRegionsd",
    "PlainImaged",
    "RandAffineImaged",
    "RandGammaImaged",
    "RandMirrorFeaturesd",
    "RandMirrorImaged",
    "ResizeImage",
    "ResizeImaged",
    "SmoothMapd",
    "box_masks",
    "box_of_lungs",
    "draw_panels",
    "image_box_mask",
    "image_for_display",
    "notice_of",
    "rescale_boxes",
    "stretch_map",
    "upsample_map",
]

names_on_demand(__name__)
