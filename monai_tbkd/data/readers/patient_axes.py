"""Turn images upright whose pixels have positions in a patient, given by an affine (NIfTI, MetaImage, NRRD)."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.readers.decoded_image import DecodedImage, finite_pixels
from monai_tbkd.data.readers.reason_codes import ImageError, ImageWarning, ReasonCode

_FOOT_HEAD = 2


def image_plane(shape: tuple[int, ...]) -> tuple[int, int]:
    """Find the two axes of a volume's `shape` that are longer than one voxel; MULTI_FRAME or TOO_SMALL otherwise."""
    axes = [axis for axis, length in enumerate(shape) if length != 1]
    if len(axes) > 2 or (len(axes) == 2 and axes[1] > 2):
        detail = f"voxels of shape {shape}; expected two axes or one slice, so save one image"
        raise ImageError(ReasonCode.MULTI_FRAME, detail=detail)
    if len(axes) < 2 or 0 in shape:
        raise ImageError(ReasonCode.TOO_SMALL, detail=f"voxels of shape {shape}; expected two axes longer than 1")
    return axes[0], axes[1]


def _directions(affine: NDArray[np.float64], axes: tuple[int, int]) -> list[tuple[int, int]] | None:
    """For each in-plane axis its patient axis (0 right-left, 1 front-back, 2 foot-head) and its sign in RAS+."""
    orientation = nib.io_orientation(affine)[list(axes)]
    if np.isnan(orientation).any():
        return None
    return [(int(patient_axis), int(sign)) for patient_axis, sign in orientation]


def upright_size(shape: tuple[int, ...], affine: NDArray[np.float64]) -> tuple[int, int]:
    """Return height and width of the upright image."""
    axes = image_plane(shape)
    directions = _directions(affine, axes)
    vertical_first = directions is not None and directions[0][0] == _FOOT_HEAD
    first, second = shape[axes[0]], shape[axes[1]]
    return (first, second) if vertical_first else (second, first)


def upright_image(
    pixels: NDArray[np.float32], affine: NDArray[np.float64], axes: tuple[int, int]
) -> tuple[NDArray[np.float32], tuple[float, float] | None, list[str]]:
    """Turn an image upright, rows first.

    Writers disagree on the affine of a 2D image. Where one in-plane axis runs between foot and head, that is the
    vertical and the affine is followed. Otherwise the first axis is x and the second y, as nibabel, ITK and MONAI write
    pictures; the affine's flips are followed too, except where it is a plain positive scale at the origin 0
    (``np.eye(4)``), which says no more than "these are indices".

    Args:
        pixels: ``(n, m)``, in the order of `axes`.
        affine: 4 x 4, from voxel indices to RAS+ in mm.
        axes: what `image_plane` found.

    Returns:
        ``(H, W)`` upright, its spacing in mm (between rows, between columns) or None, and the steps taken.
    """
    lengths = np.linalg.norm(affine[:3, list(axes)], axis=0)
    directions = _directions(affine, axes)
    vertical = [] if directions is None else [patient_axis == _FOOT_HEAD for patient_axis, _ in directions]
    indices_only = not any(vertical) and np.allclose(affine[:3, 3], 0) and bool((affine[:3, :3] >= 0).all())
    steps = []
    for position, (patient_axis, sign) in enumerate(directions or []):
        # Upright columns run to the patient's left and rows to the feet (or the back, in an axial image), which is
        # against RAS+ in all three.
        if sign > 0 and not indices_only:
            pixels = np.flip(pixels, axis=position)
            steps.append(f"axis {'xyz'[patient_axis]} flipped")
    if not (vertical and vertical[0]):
        pixels, lengths = pixels.T, lengths[::-1]
        steps.append("axes swapped to rows first")
    # An affine of ones is what writers put where they know nothing.
    known = bool((lengths > 0).all() and not np.allclose(lengths, 1))
    return pixels, (float(lengths[0]), float(lengths[1])) if known else None, steps


def decoded_volume(
    values: NDArray[Any], affine: NDArray[np.float64], axes: tuple[int, int], source_format: str
) -> DecodedImage:
    """Make an upright image of the two in-plane axes of a volume, as `upright_image` does."""
    pixels, spacing, steps = upright_image(values.astype(np.float32), affine, axes)
    pixels = finite_pixels(pixels, steps)
    return DecodedImage(pixels, source_format, steps, spacing, warnings=[ImageWarning.UNTAGGED])
