"""One phantom patient: the numbers that vary from image to image, the outlines of the organs, and the pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from monai_tbkd.data.phantom.canvas import HALF_EXTENT, Array, Canvas, curve

# (v relative to the lung's height: 0 apex, 1 costophrenic angle; |u|) of the pleura, from tracing frontal images.
_OUTER = ((0, 0.30), (0.012, 0.375), (0.05, 0.46), (0.12, 0.53), (0.22, 0.60), (0.4, 0.68), (0.6, 0.73), (0.8, 0.755),
          (0.92, 0.755), (1.05, 0.74))  # fmt: skip
_INNER = ((0, 0.30), (0.012, 0.225), (0.05, 0.175), (0.12, 0.15), (0.3, 0.12), (1.05, 0.10))
_CELLS = 8


@dataclass(frozen=True)
class Anatomy:
    """One patient; lengths in body units: the image shows about -1..1, u to the image's right, v downward."""

    lung_width: float  # scale of the lungs' breadth, 1 is average
    apex: float  # v of the lungs' top
    dome_right: float  # v of the right diaphragm's dome
    dome_step: float  # how much lower the left dome is
    sulcus: float  # depth of the costophrenic angles below the domes
    heart: float  # scale of the heart's breadth, 1 is average, above about 1.35 is cardiomegaly
    knob: float  # bulge of the aortic knob
    bulk: float  # thickness of the soft tissue, 1 is average
    arm: float  # how far the arms are held away from the trunk
    rib_slope: float  # downward slope of the ribs
    rib_contrast: float
    clavicle_rise: float  # how much higher the clavicles end at the shoulder than at the sternum
    scapula: float  # how far the shoulder blades reach into the lungs
    breast: float  # strength of the breast shadows, 0 for none
    bubble: float  # strength of the stomach bubble, 0 for none
    vessels: float  # strength of the vessel markings
    shift: tuple[float, float]  # of the whole body on the image, (u, v)
    angle: float  # rotation of the body in radians
    scale: float  # of the body on the image
    bend: float  # sideways bend of the spine


def sample_anatomy(rng: np.random.Generator, enlarged_heart: bool = False) -> Anatomy:
    """Draw a patient; the draws do not depend on `enlarged_heart`, so that the patient is otherwise the same."""
    uniform = rng.uniform
    heart, large = float(uniform(0.86, 1.16)), float(uniform(1.42, 1.62))
    female, has_bubble = rng.random() < 0.4, rng.random() < 0.6
    return Anatomy(
        lung_width=float(uniform(0.92, 1.08)),
        apex=float(uniform(-0.82, -0.70)),
        dome_right=float(uniform(0.26, 0.46)),
        dome_step=float(uniform(0.02, 0.10)),
        sulcus=float(uniform(0.16, 0.28)),
        heart=large if enlarged_heart else heart,
        knob=float(uniform(0.4, 1.5)),
        bulk=float(np.exp(rng.normal(0, 0.09))),
        arm=float(uniform(-0.2, 0.3)),
        rib_slope=float(uniform(0.6, 1.4)),
        rib_contrast=float(uniform(0.7, 1.3)),
        clavicle_rise=float(uniform(0.0, 0.20)),
        scapula=float(uniform(-0.08, 0.09)),
        breast=float(uniform(0.08, 0.22)) if female else 0.0,
        bubble=float(uniform(0.12, 0.38)) if has_bubble else 0.0,
        vessels=float(uniform(0.75, 1.35)),
        shift=(float(np.clip(rng.normal(0, 0.035), -0.08, 0.08)), float(np.clip(rng.normal(0.02, 0.035), -0.06, 0.08))),
        angle=float(np.clip(rng.normal(0, 0.022), -0.06, 0.06)),
        scale=float(uniform(0.90, 1.07)),
        bend=float(rng.normal(0, 0.012)),
    )


@dataclass(frozen=True)
class Outlines:
    """Outlines of the organs on the canvas, by row ``(N, 1)`` or column ``(1, N)``."""

    outer: Array  # |u| of the lungs' outer edge at each row
    inner: Array  # |u| of the lungs' inner edge at each row, before heart and mediastinum are laid over
    dome: Array  # v of the diaphragms at each column
    heart_right: Array  # |u| of the mediastinum's edge on the image's left at each row
    heart_left: Array  # |u| of the mediastinum's edge on the image's right at each row
    base: float  # v of the costophrenic angles' depth


def draw_outlines(canvas: Canvas, anatomy: Anatomy) -> Outlines:
    """Trace one patient's organs."""
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


class Pose:
    """Map the canvas to image pixels: shift, rotation, scale and a bend of the spine.

    By a mesh of quadrilaterals, which is many times quicker than the coordinates of every pixel.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        grid = np.linspace(-1, 1, _CELLS + 1)
        x, y = np.meshgrid(grid, grid)
        x, y = x - anatomy.shift[0], y - anatomy.shift[1]
        cosine, sine = np.cos(anatomy.angle) / anatomy.scale, np.sin(anatomy.angle) / anatomy.scale
        u, v = cosine * x + sine * y, -sine * x + cosine * y
        self._u = u + anatomy.bend * np.sin(np.pi * v)
        self._v = v
        self._midline = (anatomy.shift[0], anatomy.shift[1], float(np.tan(anatomy.angle)))

    def right_half(self, size: int) -> npt.NDArray[np.bool_]:
        """The patient's right half, on the image's left: ``(size, size)`` bool."""
        axis = (np.arange(size) + 0.5) / size * 2 - 1
        x, y, slope = self._midline
        return np.asarray(axis[None, :] < x - slope * (axis[:, None] - y))

    def apply(self, plate: Array, size: int) -> Array:
        """Lay a canvas plate ``(N, N)`` onto an image of ``(size, size)``."""
        pixels = plate.shape[0]
        scale = pixels / (2 * HALF_EXTENT)
        u = np.clip((self._u + HALF_EXTENT) * scale, 0, pixels - 1)
        v = np.clip((self._v + HALF_EXTENT) * scale, 0, pixels - 1)
        edges = [int(edge) for edge in np.round(np.linspace(0, size, _CELLS + 1))]
        mesh = []
        for i in range(_CELLS):
            for j in range(_CELLS):
                corners = ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))  # PIL's order: NW, SW, SE, NE
                quad = tuple(float(c) for p in corners for c in (u[p], v[p]))
                mesh.append(((edges[j], edges[i], edges[j + 1], edges[i + 1]), quad))
        image = Image.fromarray(np.ascontiguousarray(plate, dtype=np.float32))
        warped = image.transform((size, size), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
        return np.asarray(warped, dtype=np.float32)
