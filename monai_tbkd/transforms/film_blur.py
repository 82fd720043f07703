"""Random blur, so that a source's sharpness and noise can't be read."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import RandomizableTransform, Transform
from scipy.ndimage import gaussian_filter

from monai_tbkd.transforms.film_augmentation import plain_film
from monai_tbkd.transforms.rand_film_change import RandFilmChanged


def blurred(film: torch.Tensor, sigma: float) -> torch.Tensor:
    """A Gaussian blur; what lies beyond the film's edge is its mirror image.

    Args:
        film: ``(1, H, W)`` uint8.
        sigma: in pixels; 0 leaves the film as it is.

    Returns:
        ``(1, H, W)`` uint8.
    """
    values = gaussian_filter(film[0].numpy().astype(np.float32), sigma, mode="reflect")
    return torch.from_numpy(np.rint(values).astype(np.uint8))[None]


class RandBlurFilm(RandomizableTransform, Transform):
    """Blur a film with a probability.

    Args:
        prob: probability of a blur.
        sigma: range of its sigma, as a share of the film's shorter side, so that it means the same at every size.

    Raises:
        ValueError: a range that is not one of 0 or above.
    """

    def __init__(self, prob: float = 0.5, sigma: tuple[float, float] = (0.0, 0.004)) -> None:
        RandomizableTransform.__init__(self, prob)
        if not 0 <= sigma[0] <= sigma[1]:
            raise ValueError(f"sigma is {sigma}; expected (least, most), 0 or above.")
        self.sigma = (float(sigma[0]), float(sigma[1]))
        self._drawn = 0.0

    def randomize(self, data: Any | None = None) -> None:
        """Draw whether and how much the next film is blurred."""
        super().randomize(None)
        if self._do_transform:
            self._drawn = float(self.R.uniform(*self.sigma))

    def __call__(self, film: torch.Tensor, randomize: bool = True) -> torch.Tensor:
        """``(1, H, W)`` uint8 to the same; the last draw again where ``randomize`` is false."""
        if randomize:
            self.randomize()
        plain = plain_film(film)
        return blurred(plain, self._drawn * min(plain.shape[-2:])) if self._do_transform else plain


class RandBlurFilmd(RandFilmChanged):
    """Dictionary form of :class:`RandBlurFilm`; one draw for all keys."""

    def __init__(
        self,
        keys: KeysCollection = "image",
        prob: float = 0.5,
        sigma: tuple[float, float] = (0.0, 0.004),
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandBlurFilm(prob, sigma), keys, allow_missing_keys)
