"""What every decoder gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DecodedFilm:
    """An upright film and how it was reached; nothing that names a patient.

    Attributes:
        pixels: ``(H, W)`` float32, rows first, upright, in the value scale of the file.
        source_format: ``"png"``, ``"jpeg"``, ``"dicom"`` or ``"nifti"``.
        steps: what was done to the pixels, in order.
        spacing_mm: (between rows, between columns) in mm, None where the file does not say.
        sop_instance_uid: of a DICOM file, else empty.
    """

    pixels: NDArray[np.float32]
    source_format: str
    steps: list[str] = field(default_factory=list)
    spacing_mm: tuple[float, float] | None = None
    sop_instance_uid: str = ""
