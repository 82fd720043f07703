"""Branching vessels that leave the hila, as added attenuation."""

from __future__ import annotations

import numpy as np

from monai_tbkd.data.phantom.anatomy import Anatomy
from monai_tbkd.data.phantom.canvas import Array, Canvas, Plate, noise_field
from monai_tbkd.data.phantom.outlines import Outlines

_LEVELS = 4


def _grow(plates: list[tuple[np.ndarray, float, float]], rng: np.random.Generator, start: np.ndarray, angle: float,
          length: float, width: float, level: int) -> None:  # fmt: skip
    """One vessel and its branches, appended as (points, width, density)."""
    steps = 5
    turns = angle + np.cumsum(rng.normal(0, 0.10, steps))
    path = start + np.cumsum(np.stack([np.cos(turns), np.sin(turns)], axis=1) * (length / steps), axis=0)
    points = np.concatenate([start[None], path])
    plates.append((points, width, min(1.0, 0.30 + width * 26)))
    if level == 0:
        return
    for sign in (-1, 1):
        fork = path[int(rng.integers(2, steps))] if sign < 0 else path[-1]
        _grow(plates, rng, fork, float(turns[-1] + sign * rng.uniform(0.15, 0.6)), length * rng.uniform(0.62, 0.9),
              width * rng.uniform(0.58, 0.74), level - 1)  # fmt: skip


def render_vessels(canvas: Canvas, anatomy: Anatomy, outlines: Outlines, rng: np.random.Generator) -> Array:
    """The vascular tree of both lungs and a fine interstitial texture.

    Args:
        canvas: the plane to render on, N pixels a side.
        anatomy: the patient.
        outlines: the patient's organs; the hila sit where these put them.
        rng: source of chance.

    Returns:
        Attenuation to add inside the lungs, ``(N, N)`` float32; the caller confines it to the lungs.
    """
    carina = anatomy.apex + 0.40 * (outlines.base - anatomy.apex)
    vessels: list[tuple[np.ndarray, float, float]] = []
    for sign, root_v in ((-1, carina + 0.12), (1, carina + 0.07)):
        for angle in (-1.35, -0.95, -0.45, 0.05, 0.45, 0.8, 1.1, 1.35):
            start = np.array([sign * rng.uniform(0.13, 0.19), root_v + 0.10 * angle / 1.35 + rng.normal(0, 0.02)])
            heading = angle + rng.normal(0, 0.1)
            heading = heading if sign > 0 else np.pi - heading
            _grow(vessels, rng, start, heading, rng.uniform(0.16, 0.22), rng.uniform(0.020, 0.030), _LEVELS)
    plate = Plate(canvas)
    for points, width, density in sorted(vessels, key=lambda item: item[1]):  # the widest lie on top
        plate.line(points, width, density)
    texture = 0.6 * noise_field(rng, 110, canvas.pixels) + 0.4 * noise_field(rng, 60, canvas.pixels)
    return np.asarray(anatomy.vessels * (0.135 * plate.raster() + 0.011 * texture), dtype=np.float32)
