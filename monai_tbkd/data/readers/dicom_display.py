"""From stored DICOM values to what a viewer shows: modality LUT, VOI, presentation, in that order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels import apply_voi_lut

from monai_tbkd.data.readers.film_strips import strips
from monai_tbkd.data.readers.lookup_table import look_up, stored_bits

VOI_CHOICES = ("first", "none")


def display_values(cells: NDArray[Any], ds: Dataset, voi: str = "first") -> tuple[NDArray[np.float32], list[str]]:
    """Make larger values brighter, as DICOM PS3.4 Annex N orders the steps.

    MONOCHROME1 (or a presentation LUT shape of INVERSE, which goes with it) is inverted last and exactly once, about
    the middle of the range that the earlier steps can give, so that 12-bit value 2085 becomes 4095 - 2085.

    Args:
        cells: ``(H, W)``, integers as decoded, with all their bits.
        ds: the data set, for its bits, LUTs, windows and photometric interpretation.
        voi: ``"first"`` applies the first VOI LUT or window if there is one, ``"none"`` leaves it out.

    Returns:
        ``(H, W)`` float32 and the steps that were taken, in order.

    Raises:
        ValueError: `voi` is neither, or an element of the data set contradicts the standard.
    """
    if voi not in VOI_CHOICES:
        raise ValueError(f"voi is {voi!r}; expected one of {VOI_CHOICES}.")
    pixels = np.empty(cells.shape, dtype=np.float32)
    padding: NDArray[np.bool_] | None = None
    steps: list[str] = []
    # Strip by strip: the steps take 64-bit floats, of which several copies of a whole large film would need gigabytes.
    for rows in strips(cells.shape[0], cells.shape[1]):
        pixels[rows], padded, steps = _display_strip(cells[rows], ds, voi)
        if padded is not None:
            padding = np.zeros(cells.shape, dtype=np.bool_) if padding is None else padding
            padding[rows] = padded
    if padding is not None and padding.any() and not padding.all():
        pixels[padding] = pixels[~padding].min()
        steps.append("pixel padding set to the darkest")
    return pixels, steps


def _display_strip(
    cells: NDArray[Any], ds: Dataset, voi: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None, list[str]]:
    """Values as they are shown, where there is padding, and the steps; each pixel by itself."""
    steps: list[str] = []
    bits, signed = int(ds.BitsStored), int(ds.PixelRepresentation) != 0
    implicit, little = ds.original_encoding
    stored = stored_bits(cells, bits, int(ds.get("HighBit") or bits - 1), signed)
    padding = _padding(stored, cells, ds)
    low, high = _stored_range(ds)
    values = stored.astype(np.float64)
    slope, intercept = _rescale(ds)
    if ds.get("ModalityLUTSequence"):
        values, high = look_up(values, ds.ModalityLUTSequence[0], low < 0, implicit, little)
        low = 0.0
        steps.append("modality LUT applied")
    elif (slope, intercept) != (1.0, 0.0):
        values = values * slope + intercept
        low, high = sorted((low * slope + intercept, high * slope + intercept))
        steps.append(f"rescaled by {slope:g} and {intercept:g}")
    if voi == "first":
        if ds.get("VOILUTSequence"):
            values, high = look_up(values, ds.VOILUTSequence[0], low < 0, implicit, little)
            low = 0.0
            steps.append("first VOI LUT applied")
        elif ds.get("WindowCenter") is not None and ds.get("WindowWidth") is not None:
            if _window_is_usable(ds):
                values = apply_voi_lut(values, ds, index=0)
                if slope < 0 and not ds.get("ModalityLUTSequence"):
                    # pydicom takes the rescaled ends of the range as they come; a negative slope swaps them.
                    values = (low + high) - values
                steps.append("first VOI window applied")
            else:
                steps.append("VOI window of no width ignored")
    if ds.get("PresentationLUTSequence"):
        item = ds.PresentationLUTSequence[0]
        # Its input is the whole range of the values, whatever part of it this film uses (PS3.3 C.11.6.1).
        entries = int(item.LUTDescriptor[0]) or 2**16
        values, _ = look_up((values - low) / (high - low) * (entries - 1), item, False, implicit, little)
        steps.append("presentation LUT applied")
    elif ds.PhotometricInterpretation == "MONOCHROME1" or str(ds.get("PresentationLUTShape", "")).upper() == "INVERSE":
        values = (low + high) - values
        steps.append("inverted")
    return values, padding, steps


def _rescale(ds: Dataset) -> tuple[float, float]:
    if ds.get("RescaleSlope") is None or ds.get("RescaleIntercept") is None or float(ds.RescaleSlope) == 0:
        return 1.0, 0.0  # a slope of 0 would leave nothing of the film
    return float(ds.RescaleSlope), float(ds.RescaleIntercept)


def _stored_range(ds: Dataset) -> tuple[float, float]:
    bits = int(ds.BitsStored)
    if int(ds.PixelRepresentation) == 0:
        return 0.0, float(2**bits - 1)
    return float(-(2 ** (bits - 1))), float(2 ** (bits - 1) - 1)


def _window_is_usable(ds: Dataset) -> bool:
    width = ds["WindowWidth"]
    first = float(width.value[0] if width.VM > 1 else width.value)
    # PS3.3 C.11.2.1.2.1: at least 1 for LINEAR, above 0 for the others.
    return first >= 1 or (first > 0 and str(ds.get("VOILUTFunction", "LINEAR")).upper() != "LINEAR")


def _padding(stored: NDArray[Any], cells: NDArray[Any], ds: Dataset) -> NDArray[np.bool_] | None:
    """Where PS3.3 C.7.5.1.1.2 says that there is no image: such values must not set anyone's minimum or maximum."""
    first = ds.get("PixelPaddingValue")
    if first is None:
        return None
    last = ds.get("PixelPaddingRangeLimit")
    low, high = sorted((int(first), int(first if last is None else last)))
    # Writers put it outside the stored bits as well, where only the whole cell has it.
    return np.asarray(((stored >= low) & (stored <= high)) | ((cells >= low) & (cells <= high)))
