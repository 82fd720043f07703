"""A picture cut to the radiograph in it, where plain borders take much of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform

from monai_tbkd.data import FilmError, FilmWarning, ReasonCode
from monai_tbkd.data.plain_border import inside_border

INSIDE = "inside"
"""Where an item says which part of the film is left without plain borders."""

LONGEST = 1.5
"""Height to width, or width to height, from which on a picture has an unusual shape; chest X-rays have up to 1.3."""


class CutBorder(Transform):
    """Cut large plain borders off: a screenshot or a scan is mostly canvas, and a network would see a tiny radiograph.

    A picture with small borders is passed on as it is. The metadata get a warning where a border is cut off, where
    plain lines part several pictures, and where what is left is far from a radiograph's proportions.

    Args:
        min_side: shortest height or width of what is inside of a border, in pixels.

    Example:
        >>> film = torch.zeros(1, 100, 400)
        >>> film[:, :, 100:200] = torch.rand(1, 100, 100)
        >>> cut, place = CutBorder()(film)
        >>> cut.shape, place
        (torch.Size([1, 100, 100]), tensor([0.2500, 0.0000, 0.5000, 1.0000]))
    """

    def __init__(self, min_side: int = 1) -> None:
        self.min_side = int(min_side)

    def __call__(self, film: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cut a film.

        Args:
            film: ``(1, H, W)`` as the reader gives it.

        Returns:
            What is inside, and its place: ``[xmin, ymin, xmax, ymax]`` in shares of the film's width and height,
            float32; 0, 0, 1, 1 for a film that is not cut.

        Raises:
            FilmError: TOO_SMALL, what is inside is shorter than `min_side`.
        """
        plain = film.as_tensor() if isinstance(film, MetaTensor) else film
        height, width = (int(side) for side in plain.shape[-2:])
        inside = inside_border(np.asarray(plain)[0])
        x0, y0, x1, y1 = inside.box
        place = torch.tensor([x0 / width, y0 / height, x1 / width, y1 / height])
        sides, is_cut = (y1 - y0, x1 - x0), inside.box != (0, 0, width, height)
        if is_cut and min(sides) < self.min_side:
            raise FilmError(
                ReasonCode.TOO_SMALL,
                str(film.meta.get("filename_or_obj", "the film")) if isinstance(film, MetaTensor) else "the film",
                f"a plain border takes {inside.border:.0%} of the picture, and what is inside has {sides[0]} x "
                f"{sides[1]} pixels; expected at least {self.min_side} a side: give the image itself",
            )
        if isinstance(film, MetaTensor):
            warnings = {
                FilmWarning.PLAIN_BORDER: is_cut,
                FilmWarning.SEVERAL_PICTURES: inside.several,
                FilmWarning.UNUSUAL_SHAPE: max(sides) >= LONGEST * min(sides),
            }
            _note(film.meta, "warnings", *(code for code, there in warnings.items() if there))
            if is_cut:
                _note(
                    film.meta, "pixel_steps", f"plain border cut off: rows {y0} to {y1}, columns {x0} to {x1} are left"
                )
        if is_cut:
            cut = plain[..., y0:y1, x0:x1].contiguous()
            film = MetaTensor(cut, meta=film.meta) if isinstance(film, MetaTensor) else cut
        return film, place


def _note(meta: dict[str, Any], key: str, *texts: str) -> None:
    meta[key] = "; ".join(filter(None, [str(meta.get(key, "")), *texts]))


class CutBorderd(MapTransform):
    """Dictionary form of :class:`CutBorder`; writes the place at ``place_key``."""

    def __init__(
        self,
        keys: KeysCollection = "image",
        min_side: int = 1,
        place_key: str = INSIDE,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.cut, self.place_key = CutBorder(min_side), place_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key], d[self.place_key] = self.cut(d[key])
        return d
