"""Ribs, clavicles, shoulder blades, arms and spine of a phantom patient, as added attenuation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline

from monai_tbkd.data.phantom.canvas import Array, Canvas, Plate, Points, curve, smoothstep
from monai_tbkd.data.phantom.patient import Anatomy, Outlines


def _band(center: Points, width: Points | float) -> tuple[Points, Points, Points]:
    """The outline of a strip along a curve, and its two edges."""
    along = np.gradient(center, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)
    half = np.broadcast_to(np.asarray(width, dtype=np.float64), (len(center),))[:, None] / 2
    one, other = center + normal * half, center - normal * half
    return np.concatenate([one, other[::-1]]), one, other


def _bone(plate: Plate, center: Points, width: Points | float, body: float, rim: float) -> None:
    """A bone seen from the side: a faint body with denser cortex at both edges."""
    outline, one, other = _band(center, width)
    plate.polygon(outline, body)
    plate.line(one, 0.009, rim)
    plate.line(other, 0.011, rim)


@lru_cache
def _spline(knots: int, samples: int) -> Points:
    """The ``(samples, knots)`` matrix that runs a natural cubic spline through evenly spaced knots."""
    t = np.linspace(0, knots - 1, samples)
    return np.asarray(CubicSpline(np.arange(knots), np.eye(knots), bc_type="natural")(t))


def _smooth(knots: list[tuple[float, float]], samples: int = 28) -> Points:
    """A curve through knots, sampled evenly in the knots' parameter."""
    return _spline(len(knots), samples) @ np.asarray(knots, dtype=np.float64)


def _ribs(canvas: Canvas, anatomy: Anatomy, outlines: Outlines, rng: np.random.Generator) -> Array:
    """Posterior ribs running outward and down, and the fainter anterior ribs coming back inward and down."""
    back, front = Plate(canvas), Plate(canvas)
    rows = canvas.v[:, 0]
    length = outlines.base - anatomy.apex
    slope = anatomy.rib_slope
    for i in range(11):
        # The first ribs are short and steep arcs around the apex; lower ones are longer and flatter.
        start = anatomy.apex - 0.07 + (0.02 + 0.102 * i) * length
        for sign in (-1, 1):
            jitter = rng.normal(0, 0.006, 2)
            drop = (0.10 + 0.045 * min(i, 7)) * slope + jitter[0]
            turn = start + drop * 0.95  # where the rib rounds the chest's side
            outer = float(np.interp(turn, rows, outlines.outer[:, 0])) + 0.012
            outer = max(outer, 0.34 * anatomy.lung_width + 0.05 * i) if i < 3 else outer
            hump = 0.035 + 0.006 * i
            knots = [
                (0.07, start + 0.01),
                (0.07 + 0.22 * (outer - 0.07), start - hump * 0.75),
                (0.07 + 0.50 * (outer - 0.07), start - hump + 0.22 * drop),
                (0.07 + 0.78 * (outer - 0.07), start - hump * 0.5 + 0.52 * drop),
                (0.07 + 0.955 * (outer - 0.07), turn - 0.045),
                (outer, turn + 0.04),
            ]
            arc = _smooth(knots) * (sign, 1)
            width = 0.042 + 0.0014 * i
            _bone(back, arc, width, 0.55, 0.92)
            if 0 < i < 9:
                fall = (0.16 + 0.030 * i) * (0.7 + 0.3 * slope) + jitter[1]
                end = 0.25 + 0.028 * i
                knots = [
                    (outer, turn + 0.03),
                    (outer - 0.018, turn + 0.10),
                    (outer - 0.30 * (outer - end), turn + 0.10 + 0.50 * fall),
                    (outer - 0.66 * (outer - end), turn + 0.10 + 0.86 * fall),
                    (end, turn + 0.10 + fall),
                ]
                taper = np.linspace(0.040, 0.052, 28)
                _bone(front, _smooth(knots) * (sign, 1), taper, 0.40, 0.62)
    # Bones sink into the abdomen's thickness, and the anterior ends turn to cartilage toward the sternum.
    u, v = canvas.u, canvas.v
    below = 1 - 0.78 * smoothstep(v - outlines.dome, 0.08)
    fade = smoothstep(np.abs(u) - 0.26, 0.2)
    return np.asarray((0.140 * back.raster() + 0.080 * front.raster() * fade) * below * anatomy.rib_contrast)


def _girdle(canvas: Canvas, anatomy: Anatomy, rng: np.random.Generator) -> Array:
    """Clavicles, shoulder blades and the heads of the arm bones."""
    collar, blade = Plate(canvas), Plate(canvas)
    reach, rise = anatomy.lung_width, anatomy.clavicle_rise
    for sign in (-1, 1):
        tilt = rng.normal(0, 0.012)
        inner = anatomy.apex + 0.25
        knots = [(0.075, inner), (0.18, inner - 0.035 + tilt), (0.38, inner - 0.05 - 0.45 * rise + tilt),
                 (0.58, inner - 0.10 - 0.75 * rise + tilt), (0.74, inner - 0.115 - 0.9 * rise + tilt)]  # fmt: skip
        widths = curve(
            ((0, 0.05), (1, 0.085), (5, 0.062), (14, 0.05), (23, 0.055), (26, 0.045), (27, 0.02)), np.arange(28.0)
        )
        _bone(collar, _smooth(knots) * (sign, 1), widths.astype(np.float64), 0.62, 0.9)
        x, y = (0.66 + rng.normal(0, 0.01)) * reach - anatomy.scapula, anatomy.apex + 0.18
        border = _smooth([(x + 0.05, y - 0.04), (x - 0.02, y + 0.10), (x - 0.01, y + 0.30), (x + 0.06, y + 0.53)])
        side = _smooth([(x + 0.06, y + 0.53), (x + 0.13, y + 0.42), (x + 0.2, y + 0.22), (x + 0.27, y + 0.09)])
        spine = _smooth([(x + 0.0, y + 0.06), (x + 0.12, y - 0.01), (x + 0.24, y - 0.07), (x + 0.33, y - 0.06)])
        turn = (sign, 1)
        blade.polygon(np.concatenate([border, side]) * turn, 0.30)
        blade.line(border * turn, 0.014, 0.5)
        blade.line(side * turn, 0.026, 0.75)
        blade.line(spine * turn, 0.030, 0.6)
        # The arm bone: a round head and a shaft that leaves the image.
        hx, hy = x + 0.33, y + 0.06
        shaft = _smooth([(hx + 0.03, hy + 0.04), (hx + 0.10, hy + 0.25), (hx + 0.17 + 0.1 * anatomy.arm, hy + 0.60)])
        _bone(blade, shaft * turn, 0.095, 0.55, 0.8)
        angle = np.linspace(0, 2 * np.pi, 40)
        head = np.stack([hx + 0.095 * np.cos(angle), hy + 0.10 * np.sin(angle)], axis=1)
        blade.polygon(head * turn, 0.62)
        blade.line(head * turn, 0.012, 0.8)
    return np.asarray(0.20 * collar.raster() + 0.17 * blade.raster())


def _spine(canvas: Canvas, anatomy: Anatomy) -> tuple[slice, Array]:
    """The vertebral column: its columns on the canvas and the attenuation it adds."""
    columns = canvas.columns(-0.2, 0.2)
    u, v = canvas.u[:, columns], canvas.v
    spacing = 0.125
    phase = (v / spacing) % 1
    disc = np.exp(-(((phase - 0.5) / 0.10) ** 2))
    width = 0.088 - 0.010 * np.cos(2 * np.pi * phase)
    body = smoothstep(width - np.abs(u), 0.018) * (1 - 0.30 * disc)
    pedicle = sum(np.exp(-(((u - s * 0.052) / 0.014) ** 2)) for s in (-1, 1)) * np.exp(-(((phase - 0.85) / 0.13) ** 2))
    process = np.exp(-((u / 0.014) ** 2)) * np.exp(-(((phase - 0.25) / 0.16) ** 2))
    return columns, np.asarray(0.15 * body + 0.05 * pedicle + 0.06 * process, dtype=np.float32)


def render_skeleton(canvas: Canvas, anatomy: Anatomy, outlines: Outlines, rng: np.random.Generator) -> Array:
    """Draw all bones of the chest as attenuation to add, ``(N, N)`` float32."""
    bones = _ribs(canvas, anatomy, outlines, rng) + _girdle(canvas, anatomy, rng)
    columns, spine = _spine(canvas, anatomy)
    bones[:, columns] += spine * (1 - 0.5 * smoothstep(canvas.v - outlines.base + 0.25, 0.2))
    return np.asarray(bones, dtype=np.float32)
