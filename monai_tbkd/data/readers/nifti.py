"""NIfTI films through nibabel, turned upright once."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import IO, Any, cast

import nibabel as nib
import numpy as np

from monai_tbkd.data.film_warnings import FilmWarning
from monai_tbkd.data.readers.checksum import read_to_end
from monai_tbkd.data.readers.decoded_film import DecodedFilm, finite_pixels
from monai_tbkd.data.readers.film_limits import FilmLimits
from monai_tbkd.data.readers.patient_axes import film_plane, upright_film, vertical_first
from monai_tbkd.data.reason_codes import FilmError, ReasonCode


def decode_nifti(path: Path, limits: FilmLimits) -> DecodedFilm:
    """Decode a film of two axes, or of three with one slice; `upright_film` says which way is up.

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
            axes = film_plane(path, image.shape)
            limits.check(path, image.shape[axes[1]], image.shape[axes[0]])
            values = np.asarray(image.dataobj)
            if isinstance(stream, gzip.GzipFile):
                read_to_end(path, stream, limits)
    except (FilmError, ImportError, MemoryError):
        raise
    except Exception as error:  # whatever gzip, zlib, struct and nibabel raise on damaged files
        raise FilmError(
            ReasonCode.CORRUPT, path, f"the NIfTI file is cut short or damaged ({error}); copy it again"
        ) from error
    if values.dtype.fields is not None or np.iscomplexobj(values):
        raise FilmError(ReasonCode.COLOR, path, f"voxels of type {values.dtype}; expected one gray value a voxel")
    pixels = values.reshape(image.shape[axes[0]], image.shape[axes[1]]).astype(np.float32)
    pixels, spacing, steps = upright_film(pixels, image.affine, axes)
    pixels = finite_pixels(path, pixels, steps)
    return DecodedFilm(pixels, "nifti", steps, spacing, warnings=[FilmWarning.UNTAGGED])


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
            first, second = film_plane(path, image.shape)
            if vertical_first(image.affine, (first, second)):
                first, second = second, first
            return image.shape[second], image.shape[first]
    except (FilmError, ImportError, MemoryError):
        raise
    except Exception as error:  # whatever gzip, zlib, struct and nibabel raise on damaged files
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
