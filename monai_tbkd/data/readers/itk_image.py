"""Read MetaImage and NRRD with ITK."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.readers.decoded_image import DecodedImage, ImageLimits, as_corrupt, read_to_end, zlib_chunks
from monai_tbkd.data.readers.itk_header import read_header
from monai_tbkd.data.readers.patient_axes import decoded_volume, image_plane, upright_size
from monai_tbkd.data.readers.reason_codes import ImageError, ReasonCode

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def decode_itk(path: Path, limits: ImageLimits, file_format: str) -> DecodedImage:
    """Decode an image of two axes, or of three with one slice; `upright_image` says which way is up."""
    fields, start = read_header(path, file_format)
    io = _open(path, file_format)
    shape, affine = _shape(io), _affine(io)
    axes = image_plane(shape)
    if io.GetNumberOfComponents() != 1:
        detail = f"{io.GetNumberOfComponents()} values a pixel; expected one gray value"
        raise ImageError(ReasonCode.COLOR, detail=detail)
    limits.check(shape[axes[1]], shape[axes[0]])
    import itk

    with as_corrupt("the file is cut short or damaged; copy it again"):
        _check_packed(path, fields, start, limits.max_bytes)
        # ITK's Python has no images of some types, such as signed char, and of these imread can't make float
        kind = itk.Image[itk.F, io.GetNumberOfDimensions()]
        reader = itk.ImageFileReader[kind].New(FileName=str(path), ImageIO=io)
        reader.Update()
        values = itk.array_from_image(reader.GetOutput()).T  # ITK's arrays run z, y, x
    return decoded_volume(values.reshape(shape[axes[0]], shape[axes[1]]), affine, axes, file_format)


def itk_size(path: Path, file_format: str) -> tuple[int, int]:
    """Return height and width of the upright image, from its header."""
    read_header(path, file_format)
    io = _open(path, file_format)
    return upright_size(_shape(io), _affine(io))


def _open(path: Path, file_format: str) -> Any:
    """Let ITK read a header that `read_header` has accepted: at others ITK ends the process or reads other files."""
    # Here and not above: ITK takes a second to import, and most folders hold nothing for it.
    import itk

    itk.Object.GlobalWarningDisplayOff()
    io = (itk.MetaImageIO if file_format == "metaimage" else itk.NrrdImageIO).New()
    io.SetFileName(str(path))
    try:
        io.ReadImageInformation()
    except RuntimeError as error:
        raise ImageError(ReasonCode.CORRUPT, detail="the header is damaged; copy the file again") from error
    return io


def _check_packed(path: Path, fields: Mapping[str, str], start: int, most: int) -> None:
    """Unpack the pixels once for their checksum, which ITK's readers do not look at, and to find a bomb."""
    encoding = fields.get("encoding", "").lower()
    with path.open("rb") as file:
        file.seek(start)
        if encoding[:2] in ("gz", "bz"):
            with gzip.open(file) if encoding.startswith("g") else bz2.open(file) as stream:
                read_to_end(iter(partial(stream.read, 2**20), b""), most)
        elif fields.get("compresseddata", "").lower() == "true":
            read_to_end(zlib_chunks(file), most)


def _shape(io: Any) -> tuple[int, ...]:
    return tuple(int(io.GetDimensions(axis)) for axis in range(io.GetNumberOfDimensions()))


def _affine(io: Any) -> NDArray[np.float64]:
    """Return the affine from voxel indices to RAS+; ITK counts in LPS."""
    affine, number = np.eye(4), min(io.GetNumberOfDimensions(), 3)
    scale = np.diag([io.GetSpacing(axis) for axis in range(number)])
    if number < 3:  # no position in a patient: indices only
        affine[:number, :number] = scale
        return affine
    affine[:3, :3] = _LPS_TO_RAS @ np.array([list(io.GetDirection(axis)) for axis in range(3)]).T @ scale
    affine[:3, 3] = _LPS_TO_RAS @ np.array([io.GetOrigin(axis) for axis in range(3)])
    return affine
