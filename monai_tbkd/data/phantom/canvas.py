"""The drawing plane of the phantom: body coordinates, smooth curves and noise, quick rasterization of outlines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.interpolate import PchipInterpolator

Array = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating[Any]]

HALF_EXTENT = 1.14
"""The image shows about -1..1 of the body; the margin is for shifted poses."""


@dataclass(frozen=True)
class Canvas:
    """A square of body coordinates: u to the image's right, v downward, both -1.14..1.14; `pixels` a side."""

    pixels: int

    @property
    def u(self) -> Array:
        """Body column of each pixel center, ``(1, pixels)``."""
        return self.v.T

    @property
    def v(self) -> Array:
        """Body row of each pixel center, ``(pixels, 1)``."""
        return (((np.arange(self.pixels) + 0.5) / self.pixels * 2 - 1) * HALF_EXTENT).astype(np.float32)[:, None]

    def columns(self, low: float, high: float) -> slice:
        """Pixel columns (or rows) between two body coordinates."""
        scale = self.pixels / (2 * HALF_EXTENT)
        start, stop = (round((x + HALF_EXTENT) * scale) for x in (low, high))
        return slice(max(0, start), min(self.pixels, max(start + 1, stop)))


def curve(knots: Iterable[tuple[float, float]], at: Floats) -> Array:
    """Evaluate a shape-preserving curve through ``(x, y)`` knots with rising x, constant beyond its ends."""
    x, y = np.asarray(list(knots), dtype=np.float64).T
    return np.asarray(PchipInterpolator(x, y)(np.clip(at, x[0], x[-1])), dtype=np.float32)


def smoothstep(x: Floats, width: float) -> Array:
    """0 for ``x <= 0``, 1 for ``x >= width``, smooth between."""
    t = np.asarray(x * np.float32(1 / width), dtype=np.float32)
    np.clip(t, 0, 1, out=t)
    rest = 3 - 2 * t
    t *= t
    t *= rest
    return t


def enlarge(field: Floats, pixels: int) -> Array:
    """Resize a coarse ``(h, w)`` field smoothly to ``(pixels, pixels)``."""
    image = Image.fromarray(np.ascontiguousarray(field, dtype=np.float32))
    return np.asarray(image.resize((pixels, pixels), Image.Resampling.BICUBIC), dtype=np.float32)


def noise_field(rng: np.random.Generator, cells: int, pixels: int) -> Array:
    """Smooth noise of about unit deviation with `cells` bumps a side, the same at every image size."""
    return enlarge(rng.standard_normal((cells, cells), dtype=np.float32), pixels)


class Plate:
    """A sheet for outlines and lines in body coordinates, twice as fine as the canvas, so that edges are smooth."""

    def __init__(self, canvas: Canvas) -> None:
        self._scale = 2 * canvas.pixels / (2 * HALF_EXTENT)
        self._image = Image.new("L", (2 * canvas.pixels, 2 * canvas.pixels), 0)
        self._draw = ImageDraw.Draw(self._image)

    def _to_pixels(self, points: Points) -> Any:
        return ((points + HALF_EXTENT) * self._scale).ravel().tolist()

    def polygon(self, points: Points, value: float) -> None:
        """Fill an outline, ``(N, 2)`` of (u, v), with a value 0-1."""
        self._draw.polygon(self._to_pixels(points), fill=round(255 * value))

    def line(self, points: Points, width: float, value: float) -> None:
        """Stroke a polyline, ``(N, 2)`` of (u, v), with a width in body units and a value 0-1."""
        self._draw.line(self._to_pixels(points), fill=round(255 * value), width=max(1, round(width * self._scale)))

    def raster(self) -> Array:
        """What was drawn, ``(pixels, pixels)`` float32, 0-1."""
        return np.asarray(self._image.reduce(2), dtype=np.float32) * np.float32(1 / 255)
