"""Crop large plain borders off an image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_tbkd.data import ImageError, ImageWarning, ReasonCode
from monai_tbkd.data.gate.plain_border import inside_border
from monai_tbkd.transforms.plain_tensor import add_note, plain_tensor, with_meta_of

INSIDE = "inside"
"""Key of the part of the image that is left without plain borders."""

LONGEST = 1.5
"""Height to width, or width to height, from which on an image has an unusual shape; chest X-rays have up to 1.3."""


class CropBorderd(MapTransform):
    """Crop large plain borders off an image ``(1, H, W)``, as of a screenshot or a scan; small ones stay.

    Writes the position of what is inside at ``inside``: ``[xmin, ymin, xmax, ymax]`` in fractions of the image's width
    and height, float32; 0, 0, 1, 1 for an image that is not cropped. The metadata get a warning where a border is
    cropped, where plain lines part several pictures, and where what is left has unusual proportions.

    Args:
        keys: of the image, as the reader gives it.
        min_side: shortest height or width of what is inside of a border, in pixels; less is refused (ImageError).
    """

    def __init__(self, keys: KeysCollection = "image", min_side: int = 1) -> None:
        super().__init__(keys)
        self.min_side = int(min_side)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key], d[INSIDE] = self._cropped(d[key])
        return d

    def _cropped(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        plain = plain_tensor(image)
        height, width = (int(side) for side in plain.shape[-2:])
        inside = inside_border(np.asarray(plain)[0])
        x0, y0, x1, y1 = inside.box
        position = torch.tensor([x0 / width, y0 / height, x1 / width, y1 / height])
        sides, is_cropped = (y1 - y0, x1 - x0), inside.box != (0, 0, width, height)
        meta: dict[str, Any] = image.meta if isinstance(image, MetaTensor) else {}
        if is_cropped and min(sides) < self.min_side:
            raise ImageError(
                ReasonCode.TOO_SMALL,
                str(meta.get("filename_or_obj", "the image")),
                f"a plain border takes {inside.border:.0%} of the picture, and what is inside has {sides[0]} x "
                f"{sides[1]} pixels; expected at least {self.min_side} a side: give the image itself",
            )
        warnings = {
            ImageWarning.PLAIN_BORDER: is_cropped,
            ImageWarning.SEVERAL_PICTURES: inside.several,
            ImageWarning.UNUSUAL_SHAPE: max(sides) >= LONGEST * min(sides),
        }
        add_note(meta, "warnings", *(code for code, there in warnings.items() if there))
        if is_cropped:
            add_note(meta, "pixel_steps", f"plain border cut off: rows {y0} to {y1}, columns {x0} to {x1} are left")
            image = with_meta_of(image, plain[..., y0:y1, x0:x1].contiguous())
        return image, position
