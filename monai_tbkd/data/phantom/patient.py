"""One phantom patient: the numbers that vary from image to image, the outlines of the organs, and the pose."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from monai_tbkd.data.phantom.canvas import HALF_EXTENT, Array, Canvas, curve

# (v relative to the lung's height: 0 apex, 1 costophrenic angle; |u|) of the pleura, from tracing frontal images.
_OUTER = ((0, 0.30), (0.012, 0.375), (0.05, 0.46), (0.12, 0.53), (0.22, 0.60), (0.4, 0.68), (0.6, 0.73), (0.8, 0.755),
          (0.92, 0.755), (1.05, 0.74))  # fmt: skip
_INNER = ((0, 0.30), (0.012, 0.225), (0.05, 0.175), (0.12, 0.15), (0.3, 0.12), (1.05, 0.10))
_CELLS = 8


class Anatomy:
    """One patient, drawn at random; an enlarged heart changes nothing else.

    Lengths are in body units: the image shows about -1..1, u to the image's right, v downward.
    """

    def __init__(self, rng: np.random.Generator, enlarged_heart: bool = False) -> None:
        def uniform(low: float, high: float) -> float:
            return float(rng.uniform(low, high))

        def normal(mean: float, deviation: float, low: float, high: float) -> float:
            return float(np.clip(rng.normal(mean, deviation), low, high))

        # In this order, on which the images depend.
        heart, large = uniform(0.86, 1.16), uniform(1.42, 1.62)
        self.heart = large if enlarged_heart else heart  # scale of its breadth, 1 is average, from 1.35 cardiomegaly
        female, has_bubble = rng.random() < 0.4, rng.random() < 0.6
        self.lung_width = uniform(0.92, 1.08)  # scale of the lungs' breadth, 1 is average
        self.apex = uniform(-0.82, -0.70)  # v of the lungs' top
        self.dome_right = uniform(0.26, 0.46)  # v of the right diaphragm's dome
        self.dome_step = uniform(0.02, 0.10)  # how much lower the left dome is
        self.sulcus = uniform(0.16, 0.28)  # depth of the costophrenic angles below the domes
        self.knob = uniform(0.4, 1.5)  # bulge of the aortic knob
        self.bulk = float(np.exp(rng.normal(0, 0.09)))  # thickness of the soft tissue, 1 is average
        self.arm = uniform(-0.2, 0.3)  # how far the arms are held away from the trunk
        self.rib_slope = uniform(0.6, 1.4)  # downward
        self.rib_contrast = uniform(0.7, 1.3)
        self.clavicle_rise = uniform(0.0, 0.20)  # how much higher the clavicles end at the shoulder than at the sternum
        self.scapula = uniform(-0.08, 0.09)  # how far the shoulder blades reach into the lungs
        self.breast = uniform(0.08, 0.22) if female else 0.0  # strength of the breast shadows
        self.bubble = uniform(0.12, 0.38) if has_bubble else 0.0  # strength of the stomach bubble
        self.vessels = uniform(0.75, 1.35)  # strength of the vessel markings
        # of the whole body on the image
        self.shift = normal(0, 0.035, -0.08, 0.08), normal(0.02, 0.035, -0.06, 0.08)  # (u, v)
        self.angle = normal(0, 0.022, -0.06, 0.06)  # in radians
        self.scale = uniform(0.90, 1.07)
        self.bend = float(rng.normal(0, 0.012))  # of the spine, sideways


class Outlines:
    """Outlines of one patient's organs on the canvas, by row ``(N, 1)`` or column ``(1, N)``."""

    def __init__(self, canvas: Canvas, anatomy: Anatomy) -> None:
        a, v, u = anatomy, canvas.v, canvas.u
        self.base = a.dome_right + a.sulcus + a.dome_step / 2  # v of the costophrenic angles' depth
        depth = (v - a.apex) / (self.base - a.apex)
        side = np.abs(u)

        def dome(top: float) -> Array:
            # Highest a little medial of the lung's middle, falling steeply into the costophrenic angle.
            t = side / a.lung_width
            fall = (np.clip(t - 0.36, 0, 1) / 0.39) ** 2.4 + 0.35 * (np.clip(0.36 - t, 0, 1) / 0.36) ** 2
            return np.asarray(top + a.sulcus * fall, dtype=np.float32)

        left_top = a.dome_right + a.dome_step
        hila = a.apex + 0.36 * (self.base - a.apex)  # v of the carina and the aortic knob, roughly
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
        # |u| of the lungs' outer and inner edge at each row, before heart and mediastinum are laid over
        self.outer, self.inner = a.lung_width * curve(_OUTER, depth), curve(_INNER, depth)
        self.dome = np.where(u < 0, dome(a.dome_right), dome(left_top)).astype(np.float32)  # v at each column
        # |u| of the mediastinum's edge on the image's left and right at each row
        self.heart_right, self.heart_left = curve(right, v), curve(left, v)


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
