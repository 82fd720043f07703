"""A film in another film's style: its histogram or the low frequencies of its spectrum.

Films of one source look alike: exposure, processing, contrast. Where sources differ in how often they show TB, a
network can learn the source in place of the disease; borrowed styles make the source harder to read. Films stay one
channel of 8 bits, as in :mod:`~monai_tbkd.transforms.film_augmentation`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import RandomizableTransform, Transform
from numpy.typing import NDArray

from monai_tbkd.transforms.film_augmentation import bytes_by_table, plain_film
from monai_tbkd.transforms.rand_film_change import RandFilmChanged


def with_histogram(
    film: torch.Tensor, other: torch.Tensor, share: float = 1.0, floor: int = 0, steepest: float = 255.0
) -> torch.Tensor:
    """A film whose gray values are distributed as another's, by a table of 256 values.

    Each value goes to the one that as large a share of the other film lies below, as in histogram specification
    (Gonzalez and Woods, "Digital Image Processing", section 3.3).

    Args:
        film: ``(1, H, W)`` uint8.
        other: ``(1, H', W')`` uint8.
        share: how far the values move, 0 (not at all) to 1 (all the way).
        floor: values below it are taken for air and borders, 0 to below 255: they are not counted in either film, and
            keep their share of the way from 0 to what becomes of the floor.
        steepest: how many values one step of the film's values may become at most, measured from its median. Where the
            other film has a wide dark border or no values between two groups, the table is a cliff otherwise, and
            punches black holes into lungs.

    Returns:
        ``(1, H, W)`` uint8.

    Example:
        >>> dark, bright = torch.tensor([[[0, 1, 2, 2]]]).byte(), torch.tensor([[[100, 180, 200, 200]]]).byte()
        >>> with_histogram(dark, bright)
        tensor([[[100, 180, 200, 200]]], dtype=torch.uint8)
    """
    own, theirs = (_cumulative_histogram(x, floor) for x in (film, other))
    if own[-1] == 0 or theirs[-1] == 0:  # nothing but air and border
        return film
    # the smallest value that as much of the other film is at or below; rounding must not make it the next one
    target = np.searchsorted(theirs, own - 1e-9).clip(max=255)
    middle = int(np.searchsorted(own, 0.5))
    way = np.concatenate([[0.0], np.minimum(np.diff(target), steepest).cumsum()])
    target = np.clip(target[middle] + way - way[middle], 0, 255)
    target[:floor] = np.arange(floor) * target[floor] / max(floor, 1)
    values = np.arange(256)
    return bytes_by_table(film, np.rint(values + share * (target - values)).astype(np.uint8))


def _cumulative_histogram(film: torch.Tensor, floor: int) -> NDArray[np.float64]:
    counts = np.bincount(film.reshape(-1).numpy(), minlength=256)
    counts[:floor] = 0
    return counts.cumsum() / max(int(counts.sum()), 1)


def with_spectrum(film: torch.Tensor, other: torch.Tensor, beta: float) -> torch.Tensor:
    """A film with the amplitudes of another's lowest frequencies; its phases, and with them its shapes, stay.

    Source: Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020,
    https://arxiv.org/abs/2004.05498: a square of frequencies up to ``beta`` times the film's shorter side is swapped.

    Args:
        film: ``(1, H, W)`` uint8.
        other: ``(1, H, W)`` uint8, of the same size.
        beta: half the square's side as a share of the film's shorter side, 0 to below 0.5; 0 swaps the mean alone.

    Returns:
        ``(1, H, W)`` uint8; values beyond 0-255 are cut off.

    Raises:
        ValueError: films of different size, or beta out of range.
    """
    if film.shape != other.shape:
        raise ValueError(f"The films are {tuple(film.shape)} and {tuple(other.shape)}; spectra need the same size.")
    if not 0 <= beta < 0.5:
        raise ValueError(f"beta is {beta}; expected 0 to below 0.5.")
    height, width = film.shape[-2:]
    own, theirs = torch.fft.rfft2(film.float()), torch.fft.rfft2(other.float())
    # a real film's negative column frequencies mirror its positive ones, which are all that rfft2 gives
    reach = int(beta * min(height, width))
    low = torch.zeros(own.shape[-2:], dtype=torch.bool)
    low[: reach + 1, : reach + 1] = True
    low[height - reach :, : reach + 1] = True
    amplitude = torch.where(low, theirs.abs(), own.abs())
    swapped = torch.fft.irfft2(torch.polar(amplitude, own.angle()), s=(height, width))
    return swapped.round_().clamp_(0, 255).to(torch.uint8)


class _RandSwap(RandomizableTransform, Transform):
    """What both swaps share: another film, drawn at random, and how far to go."""

    def __init__(self, films: Sequence[Any], prob: float, reach: tuple[float, float], key: Hashable) -> None:
        RandomizableTransform.__init__(self, prob)
        if len(films) == 0:
            raise ValueError("There are no films to borrow a style from; expected at least one.")
        self.films, self.reach, self.key = films, (float(reach[0]), float(reach[1])), key
        self._index, self._far = 0, 0.0

    def randomize(self, data: Any | None = None) -> None:
        """Draw whether the next film is changed, by which other and how far."""
        super().randomize(None)
        if self._do_transform:
            self._index = int(self.R.randint(len(self.films)))
            self._far = float(self.R.uniform(*self.reach))

    def _other(self) -> torch.Tensor:
        other = self.films[self._index]
        return plain_film(other[self.key] if isinstance(other, Mapping) else other)


class RandHistogramSwap(_RandSwap):
    """Give a film the histogram of another one with a probability; see `with_histogram`.

    Args:
        films: to borrow from, ``(1, H, W)`` uint8, or dictionaries with such a film at ``key``; read when needed.
        prob: probability of a change.
        share: range of how far the values move, within 0-1.
        floor: values below it are not counted, as there.
        steepest: the table's steepest step, as there.
        key: where dictionaries have the film.

    Raises:
        ValueError: no films, or a number out of range.
    """

    def __init__(
        self,
        films: Sequence[Any],
        prob: float = 0.5,
        share: tuple[float, float] = (0.5, 1.0),
        floor: int = 32,
        steepest: float = 3.0,
        key: str = "image",
    ) -> None:
        super().__init__(films, prob, share, key)
        if not 0 <= share[0] <= share[1] <= 1:
            raise ValueError(f"share is {share}; expected (least, most) within 0 and 1.")
        if not 0 <= floor < 255:
            raise ValueError(f"floor is {floor}; expected a gray value of 0 to below 255.")
        if not steepest > 0:
            raise ValueError(f"steepest is {steepest}; expected above 0.")
        self.floor, self.steepest = int(floor), float(steepest)

    def __call__(self, film: torch.Tensor, randomize: bool = True) -> torch.Tensor:
        """``(1, H, W)`` uint8 to the same; the last draw again where ``randomize`` is false."""
        if randomize:
            self.randomize()
        if not self._do_transform:
            return plain_film(film)
        return with_histogram(plain_film(film), self._other(), self._far, self.floor, self.steepest)


class RandSpectrumSwap(_RandSwap):
    """Give a film the low-frequency amplitudes of another one with a probability; see `with_spectrum`.

    Args:
        films: to borrow from, ``(1, H, W)`` uint8, or dictionaries with such a film at ``key``; read when needed. All
            of one size.
        prob: probability of a change.
        beta: range of beta. The paper takes 0.01 to 0.09; of chest films, 0.01 begins to show the other film's large
            shapes.
        key: where dictionaries have the film.

    Raises:
        ValueError: no films, or beta out of range.
    """

    def __init__(
        self, films: Sequence[Any], prob: float = 0.5, beta: tuple[float, float] = (0.0, 0.01), key: str = "image"
    ) -> None:
        super().__init__(films, prob, beta, key)
        if not 0 <= beta[0] <= beta[1] < 0.5:
            raise ValueError(f"beta is {beta}; expected (least, most) within 0 and 0.5.")

    def __call__(self, film: torch.Tensor, randomize: bool = True) -> torch.Tensor:
        """``(1, H, W)`` uint8 to the same; the last draw again where ``randomize`` is false."""
        if randomize:
            self.randomize()
        return with_spectrum(plain_film(film), self._other(), self._far) if self._do_transform else plain_film(film)


class RandHistogramSwapd(RandFilmChanged):
    """Dictionary form of :class:`RandHistogramSwap`; one draw for all keys."""

    def __init__(
        self,
        films: Sequence[Any],
        keys: KeysCollection = "image",
        prob: float = 0.5,
        share: tuple[float, float] = (0.5, 1.0),
        floor: int = 32,
        steepest: float = 3.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandHistogramSwap(films, prob, share, floor, steepest), keys, allow_missing_keys)


class RandSpectrumSwapd(RandFilmChanged):
    """Dictionary form of :class:`RandSpectrumSwap`; one draw for all keys."""

    def __init__(
        self,
        films: Sequence[Any],
        keys: KeysCollection = "image",
        prob: float = 0.5,
        beta: tuple[float, float] = (0.0, 0.01),
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandSpectrumSwap(films, prob, beta), keys, allow_missing_keys)
