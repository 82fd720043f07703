"""Predictors that see no sign of disease: what a localization number has to be compared with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from monai_tbkd.data import ImageError
from monai_tbkd.data.readers import decode_image
from monai_tbkd.transforms import box_masks, image_box_mask

BLIND_PRIOR = "blind_prior"
MEAN_MAP = "mean_map"
LUNG_FIELD = "lung_field"
SHUFFLED = "shuffled_maps"
OWN_MASKS = "data_set"
LUNG_PRIOR = "lung_prior"

# Boxes in fractions of the image's width and height. Those of the upper lungs were drawn once, after a glance at
# TBX11K's location prior (512 pixels: x 80-224 and 288-432, y 64-200), and never fitted.
_FIXED = {
    "center_box": [(0.25, 0.25, 0.75, 0.75)],
    "upper_lung_boxes": [(80 / 512, 64 / 512, 224 / 512, 200 / 512), (288 / 512, 64 / 512, 432 / 512, 200 / 512)],
    "whole_image": [(0, 0, 1, 1)],
}

DEFINITIONS = {
    BLIND_PRIOR: "how often each place lies in a box of the training images, the same for every image",
    "center_box": "a box in the middle with a quarter of the image's area",
    "upper_lung_boxes": "two fixed boxes over the upper lungs",
    "whole_image": "everything",
    LUNG_FIELD: "the image's own lung mask, no disease in it",
    MEAN_MAP: (
        "the mean of the student's maps (without a student: the first predictor's) on the selection split's TB images, "
        "the same for every image; no box used"
    ),
    SHUFFLED: "the student's maps, each laid on another image: what is left is where its maps light up in general",
    LUNG_PRIOR: "the location prior of the student's target alone: the image's lung field, falling from apex to base",
}

BLIND_NAMES = tuple(DEFINITIONS)
"""Names that no other predictor may bear."""


def blind_maps(
    train_items: Sequence[Mapping[str, Any]],
    splits: Mapping[str, Sequence[Mapping[str, Any]]],
    grid: int,
    lung_field_dir: str | os.PathLike[str] | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """Make every blind baseline's maps of every image, by baseline and split ``(N, grid, grid)`` float32 of 0-1.

    There is no location prior if no training image has boxes, and no lung field without a folder (see `lung_fields`).
    """
    boxed = any(item.get("boxes") for item in train_items)
    fixed = {
        **({BLIND_PRIOR: location_prior(train_items, grid)} if boxed else {}),
        **{name: box_masks(np.array(boxes) * grid, (grid, grid)).astype(np.float32) for name, boxes in _FIXED.items()},
    }
    maps = {
        name: {split: np.repeat(one[None], len(items), axis=0) for split, items in splits.items()}
        for name, one in fixed.items()
    }
    if lung_field_dir is not None:
        maps[LUNG_FIELD] = {split: lung_fields(items, lung_field_dir, grid) for split, items in splits.items()}
    return maps


def location_prior(items: Sequence[Mapping[str, Any]], grid: int) -> np.ndarray:
    """Compute how often each location lies in a box of training images, ``(grid, grid)`` float32, the largest value 1.

    Raises:
        ValueError: no image has boxes.
    """
    boxed = [image_box_mask(item, grid) for item in items if item.get("boxes")]
    if not boxed:
        raise ValueError(
            "No training image has boxes, so the blind location prior can't be fitted; give annotations for some "
            "training images (they serve evaluation alone)."
        )
    fraction = np.mean(boxed, axis=0)
    return (fraction / fraction.max()).astype(np.float32)


def lung_fields(items: Sequence[Mapping[str, Any]], folder: str | os.PathLike[str], grid: int) -> np.ndarray:
    """Read lung masks as maps ``(N, grid, grid)`` of 0-1.

    The mask of ``tb/a.png`` is ``folder/tb/a.png``, gray, lungs brighter than half of the brightest value; the folder
    ``data_set`` takes the ``lung_masks`` that came with the data set.

    Raises:
        ValueError: a mask is missing or cannot be read.
    """
    maps = []
    for item in items:
        paths = [Path(folder) / Path(str(item["name"])).with_suffix(".png")]
        if str(folder) == OWN_MASKS:
            paths = [Path(path) for path in item.get("lung_masks", ())]
        try:
            masks = [decode_image(path).pixels for path in paths]
        except ImageError as error:
            raise ValueError(f"No lung field of {item['name']} ({error}); give one an image, or no folder.") from error
        if not masks:
            raise ValueError(f"No lung field of {item['name']} in its data set; give a folder of masks, or none.")
        lungs = [torch.from_numpy((mask > mask.max() / 2).astype(np.float32))[None, None] for mask in masks]
        parts = [F.interpolate(each, size=(grid, grid), mode="area")[0, 0].numpy() for each in lungs]
        maps.append(np.sum(parts, axis=0).clip(0, 1))
    return np.stack(maps)
