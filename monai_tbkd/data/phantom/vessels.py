"""Branching vessels that leave the hila, as added attenuation."""

from __future__ import annotations

import numpy as np

from monai_tbkd.data.phantom.anatomy import Anatomy
from monai_tbkd.data.phantom.canvas import Array, Canvas, Plate, Points, noise_field
from monai_tbkd.data.phantom.outlines import Outlines

_LEVELS = 5
_STEPS = 5
_HEADINGS = np.array([-1.35, -1.0, -0.6, -0.15, 0.3, 0.65, 0.95, 1.2, 1.4])


def _paths(rng: np.random.Generator, starts: Points, headings: Points, lengths: Points) -> tuple[Points, Points]:
    """Wandering paths: ``(K, steps + 1, 2)`` points and the ``(K,)`` headings at their ends."""
    turns = headings[:, None] + np.cumsum(rng.normal(0, 0.11, (len(starts), _STEPS)), axis=1)
    strides = np.stack([np.cos(turns), np.sin(turns)], axis=-1) * (lengths / _STEPS)[:, None, None]
    steps = np.concatenate([starts[:, None], strides], axis=1)
    return np.cumsum(steps, axis=1), turns[:, -1]


def _tree(rng: np.random.Generator, starts: Points, headings: Points) -> list[tuple[Points, Points]]:
    """All vessels, level by level: ``(K, steps + 1, 2)`` points and ``(K,)`` widths."""
    lengths = rng.uniform(0.13, 0.21, len(starts))
    widths = rng.uniform(0.016, 0.030, len(starts))
    levels = []
    for _ in range(_LEVELS):
        paths, ends = _paths(rng, starts, headings, lengths)
        levels.append((paths, widths))
        count = len(starts)
        side = paths[np.arange(count), rng.integers(2, _STEPS, count)]
        spread = rng.uniform(0.12, 0.65, (2, count))
        starts = np.concatenate([paths[:, -1], side])
        headings = np.concatenate([ends + 0.6 * spread[0] * np.sign(spread[1] - 0.38), ends - spread[1]])
        shrink = rng.uniform(0.58, 0.92, 2 * count)
        lengths = np.tile(lengths, 2) * shrink
        widths = np.concatenate([widths * rng.uniform(0.66, 0.80, count), widths * rng.uniform(0.45, 0.65, count)])
    return levels


def render_vessels(canvas: Canvas, anatomy: Anatomy, outlines: Outlines, rng: np.random.Generator) -> Array:
    """The vascular tree of both lungs and a fine interstitial texture.

    Args:
        canvas: the plane to render on, N pixels a side.
        anatomy: the patient.
        outlines: the patient's organs; the hila sit where these put them.
        rng: source of chance.

    Returns:
        Attenuation to add, ``(N, N)`` float32; the caller confines it to the lungs.
    """
    carina = anatomy.apex + 0.40 * (outlines.base - anatomy.apex)
    starts, headings = [], []
    for sign, root in ((-1, carina + 0.11), (1, carina + 0.06)):
        across = sign * rng.uniform(0.10, 0.18, len(_HEADINGS))
        along = root + 0.11 * np.sin(_HEADINGS) + rng.normal(0, 0.02, len(_HEADINGS))
        starts.append(np.stack([across, along], axis=1))
        angle = _HEADINGS + rng.normal(0, 0.1, len(_HEADINGS))
        headings.append(angle if sign > 0 else np.pi - angle)
    plate = Plate(canvas)
    for paths, widths in reversed(_tree(rng, np.concatenate(starts), np.concatenate(headings))):  # the widest on top
        for path, width in zip(paths, widths, strict=True):
            plate.line(path, float(width), min(0.9, 0.26 + float(width) * 24))
    texture = 0.5 * noise_field(rng, 150, canvas.pixels) + 0.5 * noise_field(rng, 70, canvas.pixels)
    return np.asarray(anatomy.vessels * (0.175 * plate.raster() + 0.014 * texture), dtype=np.float32)
