"""Which way is up in formats that place pixels in a patient by an affine (NIfTI, MetaImage, NRRD)."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.reason_codes import FilmError, ReasonCode

_FOOT_HEAD = 2


def film_plane(path: Path, shape: tuple[int, ...]) -> tuple[int, int]:
    """The two axes that a film lies in.

    Args:
        path: the file, for messages.
        shape: voxels along each axis.

    Returns:
        The axes longer than one voxel, in order.

    Raises:
        FilmError: MULTI_FRAME where there are more, TOO_SMALL where there are fewer.
    """
    axes = [axis for axis, length in enumerate(shape) if length != 1]
    if len(axes) > 2 or (len(axes) == 2 and axes[1] > 2):
        raise FilmError(
            ReasonCode.MULTI_FRAME, path, f"voxels of shape {shape}; expected two axes or one slice, so save one film"
        )
    if len(axes) < 2 or 0 in shape:
        raise FilmError(ReasonCode.TOO_SMALL, path, f"voxels of shape {shape}; expected two axes longer than 1")
    return axes[0], axes[1]


def _directions(affine: NDArray[np.float64], axes: tuple[int, int]) -> list[tuple[int, int]] | None:
    """For each in-plane axis its patient axis (0 right-left, 1 front-back, 2 foot-head) and its sign in RAS+."""
    orientation = nib.io_orientation(affine)[list(axes)]
    if np.isnan(orientation).any():
        return None
    return [(int(patient_axis), int(sign)) for patient_axis, sign in orientation]


def vertical_first(affine: NDArray[np.float64], axes: tuple[int, int]) -> bool:
    """Whether the first in-plane axis runs down the film (otherwise it runs across).

    Args:
        affine: 4 x 4, from voxel indices to RAS+ in mm.
        axes: what `film_plane` found.
    """
    directions = _directions(affine, axes)
    if directions is None:
        return False
    return directions[0][0] == _FOOT_HEAD


def upright_film(
    pixels: NDArray[np.float32], affine: NDArray[np.float64], axes: tuple[int, int]
) -> tuple[NDArray[np.float32], tuple[float, float] | None, list[str]]:
    """Turn a film upright, rows first.

    A picture has no place in a patient, and writers disagree on what to put into the affine. So: where one in-plane
    axis runs between foot and head, that is the vertical and the affine is followed. Otherwise the first axis is x and
    the second y, as nibabel, ITK and MONAI write pictures; the affine's flips are followed too, except where it is a
    plain positive scale at the origin 0 (``np.eye(4)``), which says no more than "these are indices".

    Args:
        pixels: ``(n, m)``, in the order of `axes`.
        affine: 4 x 4, from voxel indices to RAS+ in mm.
        axes: what `film_plane` found.

    Returns:
        ``(H, W)`` upright, its spacing in mm (between rows, between columns) or None, and the steps taken.
    """
    lengths = np.linalg.norm(affine[:3, list(axes)], axis=0)
    directions = _directions(affine, axes)
    standing = directions is not None and _FOOT_HEAD in (directions[0][0], directions[1][0])
    indices_only = not standing and np.allclose(affine[:3, 3], 0) and bool((affine[:3, :3] >= 0).all())
    steps = []
    if directions is not None and not indices_only:
        for position, (patient_axis, sign) in enumerate(directions):
            # Upright: columns run to the patient's left and rows to the feet (or the back, in an axial frame), which
            # is against RAS+ in all three.
            if sign > 0:
                pixels = np.flip(pixels, axis=position)
                steps.append(f"axis {'xyz'[patient_axis]} flipped")
    if not vertical_first(affine, axes):
        pixels = pixels.T
        lengths = lengths[::-1]
        steps.append("axes swapped to rows first")
    # An affine of ones is what writers put where they know nothing.
    known = bool((lengths > 0).all() and not np.allclose(lengths, 1))
    return pixels, (float(lengths[0]), float(lengths[1])) if known else None, steps
