"""Outlines of the organs, as curves in body coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monai_tbkd.data.phantom.anatomy import Anatomy
from monai_tbkd.data.phantom.canvas import Array, Canvas, curve

# (v relative to the lung's height: 0 apex, 1 costophrenic angle; |u|) of the pleura, from tracing frontal films.
_OUTER = ((0, 0.30), (0.012, 0.375), (0.05, 0.46), (0.12, 0.53), (0.22, 0.60), (0.4, 0.68), (0.6, 0.73), (0.8, 0.755),
          (0.92, 0.755), (1.05, 0.74))  # fmt: skip
_INNER = ((0, 0.30), (0.012, 0.225), (0.05, 0.175), (0.12, 0.15), (0.3, 0.12), (1.05, 0.10))


@dataclass(frozen=True)
class Outlines:
    """Curves that the renderer and the skeleton share; arrays follow the canvas' rows ``(N, 1)`` or columns ``(1, N)``.

    Args:
        outer: |u| of the lungs' outer edge at each row.
        inner: |u| of the lungs' inner edge at each row, before heart and mediastinum are laid over.
        dome: v of the diaphragms at each column.
        heart_right: |u| of the mediastinum's edge on the film's left at each row.
        heart_left: |u| of the mediastinum's edge on the film's right at each row.
        base: v of the costophrenic angles' depth.
    """

    outer: Array
    inner: Array
    dome: Array
    heart_right: Array
    heart_left: Array
    base: float


def draw_outlines(canvas: Canvas, anatomy: Anatomy) -> Outlines:
    """Trace one patient's organs.

    Args:
        canvas: the plane to trace on.
        anatomy: the patient.

    Returns:
        The curves.
    """
    a, v, u = anatomy, canvas.v, canvas.u
    base = a.dome_right + a.sulcus + a.dome_step / 2
    depth = (v - a.apex) / (base - a.apex)
    side = np.abs(u)

    def dome(top: float) -> Array:
        # Highest a little medial of the lung's middle, falling steeply into the costophrenic angle.
        t = side / a.lung_width
        fall = (np.clip(t - 0.36, 0, 1) / 0.39) ** 2.4 + 0.35 * (np.clip(0.36 - t, 0, 1) / 0.36) ** 2
        return np.asarray(top + a.sulcus * fall, dtype=np.float32)

    left_top = a.dome_right + a.dome_step
    hila = a.apex + 0.36 * (base - a.apex)  # v of the carina and the aortic knob, roughly
    bottom = left_top + 0.06
    h = a.heart

    def between(t: float) -> float:
        return hila + t * (bottom - hila)

    right = ((-1.2, 0.10), (a.apex + 0.1, 0.105), (hila - 0.08, 0.125), (hila + 0.06, 0.13), (between(0.35), 0.15),
             (between(0.55), 0.15 + 0.055 * h), (between(0.75), 0.15 + 0.085 * h), (bottom, 0.15 + 0.06 * h),
             (bottom + 0.3, 0.14))  # fmt: skip
    left = ((-1.2, 0.10), (a.apex + 0.1, 0.11), (hila - 0.14, 0.12), (hila - 0.02, 0.145 + 0.05 * a.knob),
            (hila + 0.09, 0.15), (between(0.25), 0.185), (between(0.40), 0.12 + 0.12 * h),
            (between(0.62), 0.05 + 0.31 * h), (between(0.82), 0.02 + 0.41 * h), (between(0.97), 0.02 + 0.42 * h),
            (bottom + 0.12, 0.34 * h), (bottom + 0.4, 0.2))  # fmt: skip
    return Outlines(
        outer=a.lung_width * curve(_OUTER, depth),
        inner=curve(_INNER, depth),
        dome=np.where(u < 0, dome(a.dome_right), dome(left_top)).astype(np.float32),
        heart_right=curve(right, v),
        heart_left=curve(left, v),
        base=base,
    )
