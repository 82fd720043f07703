"""What all decoders share: size limits, the decoded image, and helpers."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.files.number_range import is_number
from monai_tbkd.data.readers.image_turn import ImageTurn
from monai_tbkd.data.readers.reason_codes import ImageError, ImageWarning, ReasonCode

_STRIP = 2**20  # pixels


@dataclass(frozen=True)
class ImageLimits:
    """Bounds of an image's size, checked from the header before any pixel is decoded."""

    min_side: int = 16  # shortest height or width, in pixels
    max_pixels: int = 50_000_000  # about three times a detector of 43 cm at 0.1 mm

    def __post_init__(self) -> None:
        for name in ("min_side", "max_pixels"):
            if not is_number(getattr(self, name), 1, 2**40):
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a number of pixels, at least 1.")

    @property
    def max_bytes(self) -> int:
        """Bytes of the largest image uncompressed in 64 bits, with room for its header."""
        return self.max_pixels * 8 + 2**24

    def check_file(self, path: Path) -> None:
        """Raise TOO_LARGE for a file of more than `max_bytes`, before it is read."""
        size, most = path.stat().st_size, self.max_bytes
        if size > most:
            raise ImageError(ReasonCode.TOO_LARGE, detail=f"a file of {size} bytes; expected at most {most}")

    def check(self, height: int, width: int) -> None:
        """Raise TOO_SMALL or TOO_LARGE for an image outside the bounds."""
        found = f"{height} x {width} pixels (height x width); expected at"
        if min(height, width) < self.min_side:
            detail = f"{found} least {self.min_side} on either side, so use the full-size image"
            raise ImageError(ReasonCode.TOO_SMALL, detail=detail)
        if height * width > self.max_pixels:
            detail = f"{found} most {self.max_pixels} in all, so resample the image or raise max_pixels"
            raise ImageError(ReasonCode.TOO_LARGE, detail=detail)


@dataclass(frozen=True)
class DecodedImage:
    """An upright image and how it was decoded; nothing that names a patient.

    Attributes:
        pixels: ``(H, W)`` float32, rows first, upright, in the value scale of the file.
        source_format: ``"png"``, ``"jpeg"``, ``"tiff"``, ``"bmp"``, ``"dicom"``, ``"nifti"``, ``"metaimage"`` or
            ``"nrrd"``.
        steps: what was done to the pixels, in order.
        spacing_mm: (between rows, between columns) in mm, None where the file does not say.
        sop_instance_uid: of a DICOM file, else empty.
        turn: how the stored pixels of a DICOM file, or of a picture with an orientation tag, were turned upright.
        warnings: what could not be checked.
    """

    pixels: NDArray[np.float32]
    source_format: str
    steps: list[str] = field(default_factory=list)
    spacing_mm: tuple[float, float] | None = None
    sop_instance_uid: str = ""
    turn: ImageTurn = field(default_factory=ImageTurn)
    warnings: list[ImageWarning] = field(default_factory=list)


def finite_pixels(pixels: NDArray[np.float32], steps: list[str]) -> NDArray[np.float32]:
    """Replace values that are not finite by the darkest one, noting it in `steps`, and make the array contiguous."""
    finite = np.isfinite(pixels)
    if not finite.all():
        if not finite.any():
            raise ImageError(ReasonCode.CORRUPT, detail="no pixel has a finite value; export the image again")
        pixels = np.where(finite, pixels, pixels[finite].min())
        steps.append("non-finite pixels set to the darkest")
    return np.ascontiguousarray(pixels, dtype=np.float32)


def strips(height: int, width: int) -> Iterator[slice]:
    """Yield slices of rows, about a million pixels each, so that work in 64 bits does not need gigabytes.

    Example:
        >>> list(strips(3, 2**19))
        [slice(0, 2, None), slice(2, 3, None)]
    """
    step = max(1, _STRIP // max(width, 1))
    return (slice(start, min(start + step, height)) for start in range(0, height, step))


@contextmanager
def as_corrupt(
    detail: str,
    reason: ReasonCode = ReasonCode.CORRUPT,
    but: tuple[type[Exception], ...] = (ImageError, ImportError, MemoryError),
) -> Iterator[None]:
    """Raise an `ImageError` for whatever a library raises on a damaged file, but for some errors.

    In `detail` ``{error}`` stands for the error, ``{kind}`` for its type alone: pydicom's words may quote the file.
    """
    try:
        yield
    except but:  # a broken installation is no fault of the image
        raise
    except Exception as error:
        raise ImageError(reason, detail=detail.format(error=error, kind=type(error).__name__)) from error


def zlib_chunks(file: IO[bytes], wbits: int = zlib.MAX_WBITS) -> Iterator[bytes]:
    """Decompress a zlib stream to its end; EOFError where that is missing."""
    inflate = zlib.decompressobj(wbits)
    while not inflate.eof:
        packed = inflate.unconsumed_tail or file.read(2**16)
        if not packed:
            raise EOFError("the zlib stream has no end")
        yield inflate.decompress(packed, 2**20)


def read_to_end(chunks: Iterable[bytes], most: int) -> None:
    """Exhaust decompressed bytes, at most `most`, so that a checksum at their end is checked."""
    length = 0
    for chunk in chunks:
        length += len(chunk)
        if length > most:
            raise ImageError(ReasonCode.TOO_LARGE, detail=f"unpacks to more than {most} bytes; send the image unpacked")
