"""Predictors that never look at the film: what a localization number has to be compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monai_tbkd.transforms import box_masks, film_box_mask


def location_prior(items: Sequence[Mapping[str, Any]], grid: int) -> np.ndarray:
    """How often each place lies in a box, over the films that have boxes.

    Thresholded like any other map this is the blind prior: on TBX11K it reaches a union-mask mIoU of about 0.33.

    Args:
        items: datalist items of training films.
        grid: cells along each side.

    Returns:
        ``(grid, grid)`` float32 of 0-1, the largest value 1.

    Raises:
        ValueError: no film has boxes.
    """
    boxed = [film_box_mask(item, grid) for item in items if item.get("boxes")]
    if not boxed:
        raise ValueError(
            "No training film has boxes, so the blind location prior can't be fitted; give annotations for some "
            "training films (they serve evaluation alone)."
        )
    share = np.mean(boxed, axis=0)
    return (share / share.max()).astype(np.float32)


def center_box(grid: int, area: float = 0.25) -> np.ndarray:
    """A box in the middle of the film as a map of 0 and 1, ``(grid, grid)`` float32.

    Args:
        grid: cells along each side.
        area: its share of the film.
    """
    margin = 0.5 * (1 - area**0.5) * grid
    return box_masks(np.array([[margin, margin, grid - margin, grid - margin]]), (grid, grid)).astype(np.float32)
