"""What every decoder gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.film_turn import FilmTurn
from monai_tbkd.data.film_warnings import FilmWarning
from monai_tbkd.data.reason_codes import FilmError, ReasonCode


@dataclass(frozen=True)
class DecodedFilm:
    """An upright film and how it was reached; nothing that names a patient.

    Attributes:
        pixels: ``(H, W)`` float32, rows first, upright, in the value scale of the file.
        source_format: ``"png"``, ``"jpeg"``, ``"tiff"``, ``"bmp"``, ``"dicom"``, ``"nifti"``, ``"metaimage"`` or
            ``"nrrd"``.
        steps: what was done to the pixels, in order.
        spacing_mm: (between rows, between columns) in mm, None where the file does not say.
        sop_instance_uid: of a DICOM file, else empty.
        turn: how the stored pixels of a DICOM file, or of a picture with an orientation tag, were turned upright. The
            other formats are upright by definition once they are opened as their viewers open them.
        warnings: what could not be checked.
    """

    pixels: NDArray[np.float32]
    source_format: str
    steps: list[str] = field(default_factory=list)
    spacing_mm: tuple[float, float] | None = None
    sop_instance_uid: str = ""
    turn: FilmTurn = field(default_factory=FilmTurn)
    warnings: list[FilmWarning] = field(default_factory=list)


def finite_pixels(path: Path, pixels: NDArray[np.float32], steps: list[str]) -> NDArray[np.float32]:
    """Replace what is not a number by the darkest value, and note it.

    Args:
        path: the file, for the message.
        pixels: ``(H, W)``.
        steps: gets a line where something was replaced.

    Returns:
        ``(H, W)`` float32, contiguous, finite.

    Raises:
        FilmError: CORRUPT, no pixel is finite.
    """
    finite = np.isfinite(pixels)
    if not finite.all():
        if not finite.any():
            raise FilmError(ReasonCode.CORRUPT, path, "no pixel has a finite value; export the film again")
        pixels = np.where(finite, pixels, pixels[finite].min())
        steps.append("non-finite pixels set to the darkest")
    return np.ascontiguousarray(pixels, dtype=np.float32)
