"""Random crops of a film's frame, so that what stands there is not always there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import RandomizableTransform, Transform

from monai_tbkd.transforms.film_augmentation import moved, plain_film
from monai_tbkd.transforms.rand_film_change import RandFilmChanged


def without_frame(film: torch.Tensor, sides: Sequence[float]) -> torch.Tensor:
    """What is left of a film without its frame, at the film's size, bilinear.

    Args:
        film: ``(1, H, W)`` uint8.
        sides: what is cut off at top, right, bottom and left, as shares of height and width.

    Returns:
        ``(1, H, W)`` uint8.
    """
    top, right, bottom, left = sides
    height, width = film.shape[-2:]
    # pixels from the center: the middle of what is left, and how much of the film a pixel of the result is
    shift = np.array([(top - bottom) / 2 * height, (left - right) / 2 * width])
    scale = np.diag([1 - top - bottom, 1 - left - right])
    return moved(film, np.column_stack([scale, shift]), "border")


class RandFrameCrop(RandomizableTransform, Transform):
    """Cut a random frame off a film with a probability, and bring the rest to the film's size.

    Each side is drawn for itself. It moves the film, so that nothing that knows places may come from before it.

    Args:
        prob: probability of a crop.
        most: the most that is cut off a side, as a share of height or width.

    Raises:
        ValueError: a share that could leave no film.
    """

    def __init__(self, prob: float = 0.5, most: float = 0.1) -> None:
        RandomizableTransform.__init__(self, prob)
        if not 0 <= most < 0.5:
            raise ValueError(f"most is {most}; expected a share of 0 to below 0.5.")
        self.most = float(most)
        self._sides = [0.0] * 4

    def randomize(self, data: Any | None = None) -> None:
        """Draw whether the next film is cropped, and how much on each side."""
        super().randomize(None)
        if self._do_transform:
            self._sides = self.R.uniform(0, self.most, 4).tolist()

    def __call__(self, film: torch.Tensor, randomize: bool = True) -> torch.Tensor:
        """``(1, H, W)`` uint8 to the same; the last draw again where ``randomize`` is false."""
        if randomize:
            self.randomize()
        return without_frame(plain_film(film), self._sides) if self._do_transform else plain_film(film)


class RandFrameCropd(RandFilmChanged):
    """Dictionary form of :class:`RandFrameCrop`; one draw for all keys."""

    def __init__(
        self, keys: KeysCollection = "image", prob: float = 0.5, most: float = 0.1, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(RandFrameCrop(prob, most), keys, allow_missing_keys)
