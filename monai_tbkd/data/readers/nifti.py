"""Read NIfTI with nibabel."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import nibabel as nib
import numpy as np

from monai_tbkd.data.readers.decoded_image import DecodedImage, ImageLimits, as_corrupt, read_to_end
from monai_tbkd.data.readers.patient_axes import decoded_volume, image_plane, upright_size
from monai_tbkd.data.readers.reason_codes import ImageError, ReasonCode


def decode_nifti(path: Path, limits: ImageLimits) -> DecodedImage:
    """Decode an image of two axes, or of three with one slice, gzipped or not; `upright_image` says which way is up."""
    with _opened(path, "file is cut short or damaged") as (image, stream):
        axes = image_plane(image.shape)
        limits.check(image.shape[axes[1]], image.shape[axes[0]])
        values = np.asarray(image.dataobj)
        if isinstance(stream, gzip.GzipFile):
            read_to_end(iter(partial(stream.read, 2**20), b""), limits.max_bytes)
    if values.dtype.fields is not None or np.iscomplexobj(values):
        raise ImageError(ReasonCode.COLOR, detail=f"voxels of type {values.dtype}; expected one gray value a voxel")
    values = values.reshape(image.shape[axes[0]], image.shape[axes[1]])
    return decoded_volume(values, image.affine, axes, "nifti")


def nifti_size(path: Path) -> tuple[int, int]:
    """Return height and width of the upright image, from its header."""
    with _opened(path, "header is damaged") as (image, _):
        return upright_size(image.shape, image.affine)


@contextmanager
def _opened(path: Path, damage: str) -> Iterator[tuple[Any, IO[bytes]]]:
    with as_corrupt(f"the NIfTI {damage} ({{error}}); copy it again"):
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with cast("IO[bytes]", gzip.open(path)) if zipped else path.open("rb") as stream:
            head = stream.read(348)
            stream.seek(0)
            if head[344:348] == b"ni1\0" or head[4:8] == b"ni2\0":
                detail = "a NIfTI header whose pixels are in another file; save it as one .nii file"
                raise ImageError(ReasonCode.NOT_AN_IMAGE, detail=detail)
            yield (nib.Nifti2Image if head[4:8] == b"n+2\0" else nib.Nifti1Image).from_stream(stream), stream
