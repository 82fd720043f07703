"""MetaImage and NRRD films through ITK, turned upright once."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.film_warnings import FilmWarning
from monai_tbkd.data.readers.checksum import read_to_end
from monai_tbkd.data.readers.decoded_film import DecodedFilm, finite_pixels
from monai_tbkd.data.readers.film_limits import FilmLimits
from monai_tbkd.data.readers.itk_header import read_header
from monai_tbkd.data.readers.patient_axes import film_plane, upright_film, vertical_first
from monai_tbkd.data.reason_codes import FilmError, ReasonCode

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def decode_itk(path: Path, limits: FilmLimits, file_format: str) -> DecodedFilm:
    """Decode a film of two axes, or of three with one slice; `upright_film` says which way is up.

    Args:
        path: the file.
        limits: smallest and largest film.
        file_format: one of `ITK_FORMATS`.

    Returns:
        The film, upright.

    Raises:
        FilmError: CORRUPT, MULTI_FRAME, COLOR, NOT_AN_IMAGE, TOO_SMALL or TOO_LARGE.
    """
    fields, start = read_header(path, file_format)
    io = _header(path, file_format)
    shape, affine = _shape(io), _affine(io)
    axes = film_plane(path, shape)
    if io.GetNumberOfComponents() != 1:
        raise FilmError(ReasonCode.COLOR, path, f"{io.GetNumberOfComponents()} values a pixel; expected one gray value")
    limits.check(path, shape[axes[1]], shape[axes[0]])
    import itk

    try:
        _check_packed(path, fields, start, limits)
        # ITK's Python has no images of some types, such as signed char, and of these imread can't make float
        kind = itk.Image[itk.F, io.GetNumberOfDimensions()]
        reader = itk.ImageFileReader[kind].New(FileName=str(path), ImageIO=io)
        reader.Update()
        values = itk.array_from_image(reader.GetOutput())
    except (FilmError, ImportError, MemoryError):
        raise
    except Exception as error:  # such as KeyError of an unknown pixel type
        raise FilmError(ReasonCode.CORRUPT, path, "the file is cut short or damaged; copy it again") from error
    # ITK's arrays run z, y, x.
    pixels = values.T.reshape(shape[axes[0]], shape[axes[1]]).astype(np.float32)
    pixels, spacing, steps = upright_film(pixels, affine, axes)
    pixels = finite_pixels(path, pixels, steps)
    return DecodedFilm(pixels, file_format, steps, spacing, warnings=[FilmWarning.UNTAGGED])


def itk_size(path: Path, file_format: str) -> tuple[int, int]:
    """Height and width of the upright film, from its header.

    Args:
        path: the file.
        file_format: one of `ITK_FORMATS`.

    Returns:
        ``(height, width)`` in pixels.

    Raises:
        FilmError: CORRUPT, MULTI_FRAME, NOT_AN_IMAGE or TOO_SMALL.
    """
    read_header(path, file_format)
    io = _header(path, file_format)
    shape = _shape(io)
    first, second = film_plane(path, shape)
    if vertical_first(_affine(io), (first, second)):
        first, second = second, first
    return shape[second], shape[first]


def _header(path: Path, file_format: str) -> Any:
    """ITK's reader of a header that `read_header` has accepted: at others ITK ends the process or reads other files."""
    # Here and not above: ITK takes a second to import, and most folders hold nothing for it.
    import itk

    itk.Object.GlobalWarningDisplayOff()
    io = (itk.MetaImageIO if file_format == "metaimage" else itk.NrrdImageIO).New()
    io.SetFileName(str(path))
    try:
        io.ReadImageInformation()
    except RuntimeError as error:
        raise FilmError(ReasonCode.CORRUPT, path, "the header is damaged; copy the file again") from error
    return io


def _check_packed(path: Path, fields: Mapping[str, str], start: int, limits: FilmLimits) -> None:
    """Unpack the pixels once for their checksum, which ITK's readers do not look at, and to find a bomb."""
    encoding = fields.get("encoding", "").lower()
    with path.open("rb") as file:
        file.seek(start)
        if encoding[:2] in ("gz", "bz"):
            with gzip.open(file) if encoding.startswith("g") else bz2.open(file) as stream:
                read_to_end(path, stream, limits)
        elif fields.get("compresseddata", "").lower() == "true":
            read_to_end(path, _ZlibFile(file), limits)


class _ZlibFile:
    """A zlib stream to read from, as `gzip.open` gives one for gzip."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._inflate = file, zlib.decompressobj()

    def read(self, size: int, /) -> bytes:
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._file.read(2**16)
            if not packed:
                raise EOFError("the zlib stream has no end")
            if plain := self._inflate.decompress(packed, size):
                return plain
        return b""


def _shape(io: Any) -> tuple[int, ...]:
    return tuple(int(io.GetDimensions(axis)) for axis in range(io.GetNumberOfDimensions()))


def _affine(io: Any) -> NDArray[np.float64]:
    """From voxel indices to RAS+; ITK counts in LPS."""
    affine = np.eye(4)
    number = min(io.GetNumberOfDimensions(), 3)
    if number < 3:  # no place in a patient: indices only
        affine[:number, :number] = np.diag([io.GetSpacing(axis) for axis in range(number)])
        return affine
    directions = np.array([list(io.GetDirection(axis)) for axis in range(3)]).T
    affine[:3, :3] = _LPS_TO_RAS @ directions @ np.diag([io.GetSpacing(axis) for axis in range(3)])
    affine[:3, 3] = _LPS_TO_RAS @ np.array([io.GetOrigin(axis) for axis in range(3)])
    return affine
