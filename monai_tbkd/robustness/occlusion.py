"""Images without their lungs: what a network still says of them is not because of tuberculosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from monai_tbkd.metrics.blind_baselines import lung_fields
from monai_tbkd.robustness.corruptions import gray_image

DEFINITIONS = {
    "lungs_blacked_out": "the lungs black, everything else as it is; the outline of the lungs can still be seen",
    "background_only": "a black rectangle over each lung, so that no outline is left",
    "frame_only": "only the outer frame of the image, everything else black",
}
OCCLUSIONS = tuple(DEFINITIONS)
_PRIOR_FRACTION = 0.1


def lung_masks(
    items: Sequence[Mapping[str, Any]], prior: np.ndarray, grid: int, lung_field_dir: str | Path | None = None
) -> tuple[np.ndarray, str]:
    """Make lung masks of images: their own where there are any, else a stand-in.

    Args:
        items: datalist items.
        prior: how often each location lies in a true box, ``(h, w)`` of 0-1, see
            :func:`~monai_tbkd.metrics.location_prior`.
        grid: cells along each side of the masks.
        lung_field_dir: lung masks by image name; None takes the stand-in: a rectangle in each half of the image around
            where the prior reaches a tenth of its largest value. It misses lungs that lie elsewhere.

    Returns:
        ``(N, grid, grid)`` bool, or ``(1, grid, grid)`` for every image alike, and what they are, in words.

    Raises:
        ValueError: a mask is missing or cannot be read.
    """
    if lung_field_dir is not None:
        return lung_fields(items, lung_field_dir, grid) > 0, f"lung fields of {len(items)} images"
    likely = F.interpolate(torch.from_numpy(prior)[None, None].float(), size=(grid, grid), mode="area")[0, 0].numpy()
    masks = lung_rectangles((likely >= _PRIOR_FRACTION * likely.max())[None])
    return masks, "stand-in: two rectangles around the training images' boxes, the same for every image"


def lung_rectangles(masks: np.ndarray) -> np.ndarray:
    """Draw the upright rectangle around what a mask has in each half of the image, ``(N, H, W)`` bool to the same."""
    out, middle = np.zeros_like(masks), masks.shape[-1] // 2
    for mask, filled in zip(masks, out, strict=True):
        for half in (slice(0, middle), slice(middle, None)):
            rows, columns = np.nonzero(mask[:, half])
            if len(rows):
                filled[:, half][rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    return out


def hidden_positions(kind: str, lungs: np.ndarray, frame: float) -> np.ndarray:
    """Return what is blacked out, ``(N, H, W)`` bool; ``frame`` is a fraction of the image's side.

    Raises:
        ValueError: a frame that is no frame.
    """
    if not 0 < frame < 0.5:
        raise ValueError(f"The frame's fraction is {frame}; expected above 0 and below 0.5.")
    if kind == "lungs_blacked_out":
        return lungs
    if kind == "background_only":
        return lung_rectangles(lungs)
    hidden = np.zeros_like(lungs)
    height, width = (round(frame * n) for n in lungs.shape[-2:])
    hidden[:, height : lungs.shape[-2] - height, width : lungs.shape[-1] - width] = True
    return hidden


def black_out(item: Mapping[str, Any], hidden: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Black out parts of the ``image`` ``(1, H, W)`` uint8 of an item.

    `hidden` has ``(h, w)`` bool by image name; it is brought to the image's grid, and a hidden cell hides each pixel it
    touches.
    """
    image = gray_image(item["image"])
    cells = torch.from_numpy(hidden[item["name"]])[None, None].float()
    covered = F.adaptive_avg_pool2d(cells, (image.shape[-2], image.shape[-1]))[0] > 0
    return {**item, "image": torch.where(covered, torch.zeros_like(image), image)}


def find_lung_fields(dataset_dir: object) -> Path | None:
    """Find the lung masks that a phantom data set may have been written with (``write_lung_fields``), or None."""
    folder = Path(str(dataset_dir)) / "lung_fields"
    return folder if isinstance(dataset_dir, (str, Path)) and folder.is_dir() else None
