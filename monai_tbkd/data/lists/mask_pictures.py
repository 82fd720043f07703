"""Tell masks of organs and lesions from radiographs, so that none is taken for an image to train on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.gate.frontal_gate import FrontalGate
from monai_tbkd.data.lists.datalist_item import DatalistItem
from monai_tbkd.data.readers import decode_image
from monai_tbkd.data.readers.image_folder import image_stem
from monai_tbkd.data.readers.reason_codes import ImageError

_gate = cache(FrontalGate)

_WORDS = {
    "mask", "masks", "label", "labels", "labelmap", "labelmaps", "annotation", "annotations", "segmentation",
    "segmentations", "seg", "segs", "gt", "groundtruth", "truth", "overlay", "overlays",
}  # fmt: skip
_FEW_VALUES = 8
_EDGE = 0.05  # part of the range at either end
_FRACTION = 0.9  # of the pixels that lie there; at most 0.50 on 1,619 real images, at least 0.94 on masks saved as JPEG
# A compressed mask is small. Larger files are not opened, so that a data set is listed in little time.
_LARGEST_BYTES, _LARGEST_BYTES_PER_PIXEL = 32_768, 0.04
_NOT_COMPRESSED = {".bmp", ".tif", ".tiff", ".nii", ".mha", ".nrrd"}


def find_masks(items: Iterable[DatalistItem]) -> list[str]:
    """Names of the items that are masks.

    Opened are pictures that are small for their number of pixels, of formats without compression, or called like a
    mask. A mask has few gray values, or nearly all pixels at the two ends of the range; or it is called like one
    (``masks/a.png``, ``a_mask.png``) and does not look like a frontal chest X-ray.
    """
    return [item["name"] for item in items if item["size"] is not None and _is_mask(item)]


def looks_like_mask(pixels: NDArray[Any]) -> bool:
    """Whether a picture ``(H, W)`` has few gray values, or nearly all its pixels at the two ends of its range.

    Example:
        >>> looks_like_mask(np.eye(64)), looks_like_mask(np.arange(4096).reshape(64, 64))
        (True, False)
    """
    low, high = float(pixels.min()), float(pixels.max())
    margin = (high - low) * _EDGE
    at_ends = np.count_nonzero((pixels <= low + margin) | (pixels >= high - margin))
    return bool(at_ends >= _FRACTION * pixels.size or np.unique(pixels).size <= _FEW_VALUES)


def _is_mask(item: DatalistItem) -> bool:
    path, name = Path(item["image"]), PurePosixPath(item["name"])
    named = any(
        word in _WORDS
        for part in (*name.parts[:-1], image_stem(name.name))
        for word in re.split(r"[^a-z]+", re.sub(r"ground[ _-]truth", "groundtruth", part.lower()))
    )
    try:
        largest = max(_LARGEST_BYTES, _LARGEST_BYTES_PER_PIXEL * item["size"][0] * item["size"][1])
        if not named and path.suffix.lower() not in _NOT_COMPRESSED and path.stat().st_size > largest:
            return False
        pixels = decode_image(path).pixels
    except (ImageError, OSError):  # that it cannot be read is another finding
        return False
    return looks_like_mask(pixels) or (named and not _gate()(pixels).accepted)
