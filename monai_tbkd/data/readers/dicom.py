"""Read DICOM with pydicom."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from monai_tbkd.data.readers.decoded_image import DecodedImage, ImageLimits, as_corrupt, finite_pixels
from monai_tbkd.data.readers.dicom_display import VOI_CHOICES, DisplaySteps
from monai_tbkd.data.readers.dicom_elements import numbers, spacing_of
from monai_tbkd.data.readers.dicom_file import read_dicom, read_dicom_header
from monai_tbkd.data.readers.dicom_pixels import bits_of, decode_cells, read_layout, whole_number
from monai_tbkd.data.readers.dicom_rules import ImageRules, check_tags, patient_orientation
from monai_tbkd.data.readers.dicom_stream import settle_syntax
from monai_tbkd.data.readers.image_turn import ImageTurn
from monai_tbkd.data.readers.quiet_pydicom import quiet_pydicom
from monai_tbkd.data.readers.reason_codes import ImageError, ImageWarning, ReasonCode


def decode_dicom(
    path: Path, limits: ImageLimits, rules: ImageRules, voi: str = "first", headless: bool = False
) -> DecodedImage:
    """Decode a gray single-frame DICOM file to what a viewer shows, larger values brighter; see `decode_image`.

    A `headless` file lacks preamble and meta header; it is an image only if pixel data come out of it.
    """
    if voi not in VOI_CHOICES:
        raise ValueError(f"voi is {voi!r}; expected one of {VOI_CHOICES}.")
    with quiet_pydicom():
        ds = read_dicom(path, limits, headless)
        # pydicom parses an element when it is first asked for, so that a damaged one fails anywhere in here.
        with as_corrupt("one of its tags cannot be read ({kind}); export the image again"):
            found = check_tags(ds, rules)
            layout = read_layout(ds)
            limits.check(layout.rows, layout.columns)
            spacing = spacing_of(ds, "PixelSpacing") or spacing_of(ds, "ImagerPixelSpacing")
            turn = turn_to_upright(ds)
            uid = str(ds.get("SOPInstanceUID", "") or "")
            doubtful_syntax = settle_syntax(ds, layout.native_bytes)
        cells, stream = decode_cells(ds, layout)
        with as_corrupt("its LUT or window cannot be applied ({kind}); export the image again"):
            bits, steps, doubts = bits_of(cells, ds, layout, stream)
            try:
                display = DisplaySteps(ds, bits, voi)
                pixels = display(cells)
                plain = DisplaySteps(ds, bits, "none") if voi == "first" and _is_plain(pixels) else None
                if plain is not None and not _is_plain(bare := plain(cells)):
                    display, pixels = plain, bare
                    display.leave_out("VOI LUT or window left out, which leaves nothing of the image")
            except ValueError as error:
                raise ImageError(ReasonCode.UNREADABLE_TAG, detail=str(error)) from error
            steps += display.steps
            pixels = finite_pixels(pixels, steps)
        if doubtful_syntax:
            steps.insert(0, f"read as {ds.file_meta.TransferSyntaxUID.name}, which TransferSyntaxUID is not")
            doubts.append(ImageWarning.SYNTAX_DOUBTFUL)
        found += [*doubts, *([ImageWarning.DISPLAY_LEFT_OUT] if display.left_out else [])]
        if turn:
            pixels = turn.upright(pixels)
            steps.append(f"turned upright ({turn}), as PatientOrientation says")
            spacing = spacing[::-1] if spacing and turn.transpose else spacing
        # A damaged length can make the UID run over the patient's name.
        return DecodedImage(
            pixels, "dicom", steps, spacing, uid if re.fullmatch(r"[0-9.]{1,64}", uid) else "", turn, found
        )


def _is_plain(pixels: NDArray[np.float32]) -> bool:
    """Check whether nearly all pixels are at one end of the range, looking at a few first."""

    def at_end(some: NDArray[np.float32]) -> float:
        return float(max((some == some.min()).mean(), (some == some.max()).mean()))

    return at_end(pixels[::8, ::8]) > 0.9 and at_end(pixels) > 0.99


def dicom_size(path: Path) -> tuple[int, int]:
    """Return height and width of the upright image, from the header."""
    # Only what the size needs, so that no element with patient data is even parsed.
    ds = read_dicom_header(path, ["Rows", "Columns", "PatientOrientation", "SOPClassUID"])
    with quiet_pydicom(), as_corrupt("the DICOM header is damaged ({kind})"):
        if not numbers(ds, "Rows") or not numbers(ds, "Columns"):
            raise ImageError(ReasonCode.NOT_AN_IMAGE, detail="a DICOM file without rows and columns")
        size = whole_number(ds, "Rows"), whole_number(ds, "Columns")
        return size[::-1] if turn_to_upright(ds).transpose else size


def turn_to_upright(ds: Dataset) -> ImageTurn:
    """Read the turn from the stored pixels to rows to the patient's left and columns to the feet; none if unknown."""
    orientation = patient_orientation(ds)
    if orientation is None:
        return ImageTurn()
    across, down = orientation[0][0], orientation[1][0]
    transpose = across in "HF" and down in "LR"
    if transpose:
        across, down = down, across
    if across not in "LR" or down not in "HF":  # seen from the side or from above
        return ImageTurn()
    return ImageTurn(transpose, flip_rows=down == "H", flip_columns=across == "R")
