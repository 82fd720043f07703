"""Soft tissue, lungs, heart, abdomen and vessels of a phantom patient, as attenuation."""

from __future__ import annotations

import numpy as np

from monai_tbkd.data.phantom.canvas import Array, Canvas, Floats, Plate, Points, curve, enlarge, noise_field, smoothstep
from monai_tbkd.data.phantom.patient import Anatomy, Outlines

_LEVELS = 5
_STEPS = 5
_HEADINGS = np.array([-1.35, -1.0, -0.6, -0.15, 0.3, 0.65, 0.95, 1.2, 1.4])


def _soft_tissue(canvas: Canvas, anatomy: Anatomy, outlines: Outlines) -> Array:
    """Neck, shoulders, trunk and upper arms: how much tissue the beam meets, without any air."""
    a = anatomy
    coarse = Canvas(max(48, canvas.pixels // 2))
    u, v = coarse.u, coarse.v
    side = np.abs(u)
    # The trunk and the neck: an ellipse across at each level.
    wall = a.lung_width * (0.86 + 0.05 * (a.bulk - 1))
    flank = ((-1.2, 0.27), (-0.98, 0.27), (-0.9, 0.33), (-0.82, 0.52), (-0.7, 0.72), (-0.4, wall), (0.2, wall + 0.02),
             (0.6, wall), (0.8, wall - 0.01), (1.2, wall + 0.04))  # fmt: skip
    half = curve(flank, v)
    thick = curve(((-1.2, 0.62), (-0.9, 0.70), (-0.6, 0.86), (0.0, 0.98), (0.6, 1.06), (1.2, 1.06)), v)
    trunk = thick * np.sqrt(np.clip(1 - (side / half) ** 2, 0, 1)) ** 0.7
    # Shoulders and arms: between the shoulder line and the armpit.
    lift = -0.5 * a.clavicle_rise  # a raised shoulder raises the collarbone with it
    line = ((0.0, -1.45), (0.2, -1.12), (0.27, -1.0), (0.34, -0.93), (0.5, -0.84), (0.7, -0.79), (0.9, -0.73),
            (1.0, -0.66), (1.14, -0.47))  # fmt: skip
    top = curve(line, side) + a.apex + 0.76 + lift * smoothstep(side - 0.25, 0.5)
    armpit = curve(((0.0, 0.5), (0.74, 0.25), (0.84, 0.02), (0.95, 0.10 + a.arm), (1.14, 0.45 + a.arm)), side)
    middle, reach = (top + armpit) / 2, (armpit - top) / 2
    shoulders = 0.66 * np.sqrt(np.clip(1 - ((v - middle) / reach) ** 2, 0, 1)) ** 0.8
    tissue: Floats = a.bulk * np.sqrt(trunk**2 + (shoulders * smoothstep(side - 0.25, 0.4)) ** 2)
    if a.breast:
        for sign in (-1, 1):
            r2 = ((u - sign * 0.47 * a.lung_width) / 0.36) ** 2 + ((v - a.dome_right + 0.08) / 0.34) ** 2
            weight = smoothstep(v - (a.dome_right - 0.45), 0.5)
            tissue = tissue + a.breast * weight * np.clip(1 - r2, 0, 1) ** 0.6
    return enlarge(tissue.astype(np.float32), canvas.pixels)


def _gas(canvas: Canvas, anatomy: Anatomy, rng: np.random.Generator) -> Array:
    """Stomach bubble and bowel gas below the left dome, as negative attenuation."""
    coarse = Canvas(max(48, canvas.pixels // 2))
    u, v = coarse.u, coarse.v
    top = anatomy.dome_right + anatomy.dome_step
    gas = np.zeros((coarse.pixels, coarse.pixels), dtype=np.float32)
    spots = [(0.40, top + 0.13, 0.16, 0.075)]
    spots += [(rng.uniform(0.3, 0.62), top + rng.uniform(0.15, 0.34), *rng.uniform(0.04, 0.09, 2)) for _ in range(3)]
    for x, y, rx, ry in spots:
        r2 = ((u - x) / rx) ** 2 + ((v - y) / ry) ** 2
        gas += rng.uniform(0.4, 1) * smoothstep(1 - r2, 0.35)
    return enlarge(-anatomy.bubble * np.minimum(gas, 1), canvas.pixels)


def _airway(canvas: Canvas, anatomy: Anatomy, carina: float) -> tuple[tuple[slice, slice], Array]:
    """The trachea and the main bronchi: their window on the canvas and the attenuation they take away."""
    rows, columns = canvas.columns(-1.14, carina + 0.25), canvas.columns(-0.3, 0.3)
    u, v = canvas.u[:, columns], canvas.v[rows]
    middle = curve(((-1.14, 0.0), (carina - 0.2, -0.012), (carina, -0.025)), v)
    above = smoothstep(carina + 0.03 - v, 0.06)
    air = above * smoothstep(0.052 - np.abs(u - middle), 0.035)
    below = smoothstep(v - carina, 0.04) * smoothstep(carina + 0.24 - v, 0.2)
    for slope in (-0.75, 1.05):  # the right main bronchus is the steeper one
        air = np.maximum(air, 0.55 * below * smoothstep(0.038 - np.abs(u - middle - slope * (v - carina)) * 0.75, 0.03))
    return (rows, columns), (-0.20 * air).astype(np.float32)


def render_body(canvas: Canvas, anatomy: Anatomy, rng: np.random.Generator) -> tuple[Array, Array, Outlines]:
    """Draw everything but bones, vessels and disease.

    Returns:
        Attenuation ``(N, N)`` (0 for air, about 1 for the mediastinum), the aerated lungs ``(N, N)``, 0-1, and the
        outlines that they follow.
    """
    o = Outlines(canvas, anatomy)
    u, v = canvas.u, canvas.v
    side = np.abs(u)
    tissue = _soft_tissue(canvas, anatomy, o)
    lateral = np.minimum(np.minimum(o.outer - side, side - o.inner), 2 * (v - anatomy.apex))
    height = o.dome - v
    # Air under the beam: none at the pleura, quickly more inward, and a sharp step at the dome, seen edge-on.
    air = smoothstep(lateral, 0.02) * (0.34 + 0.66 * (1 - np.exp(-np.clip(lateral, 0, 1) / 0.13)))
    recess = 0.10 * np.exp(np.clip(height, -1, 0) / 0.06)  # the lung behind the dome
    air *= recess + (1 - recess) * smoothstep(height, 0.022)
    edge = np.where(u < 0, o.heart_right, o.heart_left) - side
    bottom = np.exp(np.clip(height, -1, 0) * 12)  # below the dome the heart gives way to the abdomen
    heart = smoothstep(edge, 0.02) * (0.72 + 0.28 * smoothstep(edge, 0.2)) * bottom
    lungs = smoothstep(lateral, 0.012) * smoothstep(height, 0.012) * smoothstep(0.016 - edge, 0.012)
    image = tissue * (1 - 0.80 * air)
    chest = smoothstep(v - anatomy.apex + 0.15, 0.25)  # the neck has no mediastinum
    image += 0.43 * heart * (0.25 + 0.75 * chest) * (1 - 0.45 * (1 - air) * smoothstep(0.12 - side, 0.06))
    # Liver, spleen and bowel below the domes, a little uneven.
    image += 0.13 * smoothstep(-height, 0.03) * smoothstep(o.outer + 0.04 - side, 0.12)
    image += 0.014 * noise_field(rng, 9, canvas.pixels) * np.minimum(tissue, 1) + _gas(canvas, anatomy, rng)
    # Hila: soft knots, the left one higher.
    carina = anatomy.apex + 0.40 * (o.base - anatomy.apex)
    for x, y in ((-0.20, carina + 0.13), (0.21, carina + 0.08)):
        image += 0.20 * anatomy.vessels * np.exp(-(((u - x) / 0.060) ** 2)) * np.exp(-(((v - y) / 0.11) ** 2))
    window, airway = _airway(canvas, anatomy, carina)
    image[window] += airway
    return image.astype(np.float32), lungs, o


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
    """Draw the vascular tree of both lungs and a fine interstitial texture.

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
