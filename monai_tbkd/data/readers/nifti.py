"""NIfTI films through nibabel, turned upright once."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, Any, cast

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from monai_tbkd.data.readers.decoded_film import DecodedFilm
from monai_tbkd.data.readers.film_limits import FilmLimits
from monai_tbkd.data.reason_codes import FilmError, ReasonCode

_FOOT_HEAD = 2


def decode_nifti(path: Path, limits: FilmLimits) -> DecodedFilm:
    """Decode a film of two axes, or of three with one slice.

    A picture has no place in a patient, and writers disagree on what to put into the affine. So: where one in-plane
    axis runs between foot and head, that is the vertical and the affine is followed. Otherwise the first axis is x and
    the second y, as nibabel, ITK and MONAI write pictures; the affine's flips are followed too, except where it is a
    plain positive scale at the origin 0 (``np.eye(4)``), which says no more than "these are indices".

    Args:
        path: the file, gzipped or not.
        limits: smallest and largest film.

    Returns:
        The film, upright.

    Raises:
        FilmError: CORRUPT, MULTI_FRAME, COLOR, NOT_AN_IMAGE, UNSUPPORTED_SYNTAX, TOO_SMALL or TOO_LARGE.
    """
    try:
        with _open(path) as stream:
            image = _header_image(path, stream)
            axes = _plane(path, image.shape)
            limits.check(path, image.shape[axes[1]], image.shape[axes[0]])
            values = np.asarray(image.dataobj)
    except FilmError:
        raise
    except (OSError, EOFError, ValueError, zlib.error, HeaderDataError) as error:
        raise FilmError(
            ReasonCode.CORRUPT, path, f"the NIfTI file is cut short or damaged ({error}); copy it again"
        ) from error
    if values.dtype.fields is not None or np.iscomplexobj(values):
        raise FilmError(ReasonCode.COLOR, path, f"voxels of type {values.dtype}; expected one gray value a voxel")
    pixels = values.reshape(image.shape[axes[0]], image.shape[axes[1]]).astype(np.float32)
    pixels, spacing, steps = _upright(pixels, image.affine, axes)
    finite = np.isfinite(pixels)
    if not finite.all():
        if not finite.any():
            raise FilmError(ReasonCode.CORRUPT, path, "no pixel has a finite value; export the film again")
        pixels = np.where(finite, pixels, pixels[finite].min()).astype(np.float32)
        steps.append("non-finite pixels set to the darkest")
    return DecodedFilm(np.ascontiguousarray(pixels), "nifti", steps, spacing_mm=spacing)


def nifti_size(path: Path) -> tuple[int, int]:
    """Height and width of the upright film, from its header.

    Args:
        path: the file, gzipped or not.

    Returns:
        ``(height, width)`` in pixels.

    Raises:
        FilmError: CORRUPT, MULTI_FRAME, NOT_AN_IMAGE or TOO_SMALL.
    """
    try:
        with _open(path) as stream:
            image = _header_image(path, stream)
            first, second = _plane(path, image.shape)
            if _vertical_first(image.affine, (first, second)):
                first, second = second, first
            return image.shape[second], image.shape[first]
    except FilmError:
        raise
    except (OSError, EOFError, ValueError, zlib.error, HeaderDataError) as error:
        raise FilmError(ReasonCode.CORRUPT, path, f"the NIfTI header is damaged ({error}); copy it again") from error


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path, "rb")) if zipped else path.open("rb")


def _header_image(path: Path, stream: IO[bytes]) -> Any:
    head = stream.read(348)
    stream.seek(0)
    if head[344:348] == b"ni1\0" or head[4:8] == b"ni2\0":
        raise FilmError(
            ReasonCode.NOT_AN_IMAGE, path, "a NIfTI header whose pixels are in another file; save it as one .nii file"
        )
    cls = nib.Nifti2Image if head[4:8] == b"n+2\0" else nib.Nifti1Image
    return cls.from_stream(stream)


def _plane(path: Path, shape: tuple[int, ...]) -> tuple[int, int]:
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


def _vertical_first(affine: NDArray[np.float64], axes: tuple[int, int]) -> bool:
    """Whether the first in-plane axis runs down the film (otherwise it runs across)."""
    directions = _directions(affine, axes)
    if directions is None:
        return False
    return directions[0][0] == _FOOT_HEAD


def _upright(
    pixels: NDArray[np.float32], affine: NDArray[np.float64], axes: tuple[int, int]
) -> tuple[NDArray[np.float32], tuple[float, float] | None, list[str]]:
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
                steps.append(f"NIfTI axis {'xyz'[patient_axis]} flipped")
    if not _vertical_first(affine, axes):
        pixels = pixels.T
        lengths = lengths[::-1]
        steps.append("NIfTI axes swapped to rows first")
    # An affine of ones is what writers put where they know nothing.
    known = bool((lengths > 0).all() and not np.allclose(lengths, 1))
    return pixels, (float(lengths[0]), float(lengths[1])) if known else None, steps
