"""From body coordinates to film pixels: shift, rotation, scale and a bend of the spine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from monai_tbkd.data.phantom.anatomy import Anatomy
from monai_tbkd.data.phantom.canvas import HALF_EXTENT, Array

_CELLS = 8


class Pose:
    """How a patient stands before the plate.

    The film is cut into a mesh of quadrilaterals, each of which is looked up on the canvas; a mesh is many times
    quicker than looking up every pixel's own coordinates, and the neighbors' edges agree, so nothing tears.

    Args:
        anatomy: the patient, with shift, angle, scale and bend.
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
        """The patient's right half, on the film's left: ``(size, size)`` bool."""
        axis = (np.arange(size) + 0.5) / size * 2 - 1
        x, y, slope = self._midline
        return np.asarray(axis[None, :] < x - slope * (axis[:, None] - y))

    def apply(self, plate: Array, size: int) -> Array:
        """Lay a canvas plate onto the film.

        Args:
            plate: ``(N, N)`` float32 in body coordinates.
            size: side of the film in pixels.

        Returns:
            ``(size, size)`` float32.
        """
        pixels = plate.shape[0]
        scale = pixels / (2 * HALF_EXTENT)
        u = np.clip((self._u + HALF_EXTENT) * scale, 0, pixels - 1)
        v = np.clip((self._v + HALF_EXTENT) * scale, 0, pixels - 1)
        edges = np.round(np.linspace(0, size, _CELLS + 1)).astype(int)
        mesh = []
        for i in range(_CELLS):
            for j in range(_CELLS):
                corners = ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))  # PIL's order: NW, SW, SE, NE
                quad = tuple(float(c) for p in corners for c in (u[p], v[p]))
                mesh.append(((int(edges[j]), int(edges[i]), int(edges[j + 1]), int(edges[i + 1])), quad))
        image = Image.fromarray(np.ascontiguousarray(plate, dtype=np.float32))
        warped = image.transform((size, size), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
        return np.asarray(warped, dtype=np.float32)
