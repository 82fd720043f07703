"""From stored DICOM values to what a viewer shows: modality LUT, VOI, presentation LUT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from monai_tbkd.data.readers.decoded_image import strips
from monai_tbkd.data.readers.dicom_elements import numbers, quoted_values, sequence_items, text_of, values_of
from monai_tbkd.data.readers.pixel_bits import PixelBits

VOI_CHOICES = ("first", "none")

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
_SHAPES = ("", "IDENTITY", "INVERSE", "LIN OD")


@dataclass(frozen=True)
class LookupTable:
    """The LUT of a sequence item (DICOM PS3.3 C.11.1.1 and C.11.2.1.1)."""

    entries: NDArray[np.float64]
    first: int  # the value that is mapped to the first entry
    top: float  # the largest value that an entry could have

    @classmethod
    def read(cls, item: Dataset, can_be_negative: bool, implicit_vr: bool, little_endian: bool) -> LookupTable:
        """Read the table; a ValueError of one phrase where it cannot be used.

        Whether its input can be negative tells the sign of the descriptor's first value in implicit VR, where it is not
        written down.
        """
        found = numbers(item, "LUTDescriptor")
        if len(found) != 3 or any(each is None for each in found):
            raise ValueError("without three numbers in LUTDescriptor")
        count, first, bits = (int(each or 0) for each in found)
        count = count & 0xFFFF or 2**16  # 0 stands for 65536
        if not 1 <= bits <= 16:
            raise ValueError(f"entries of {bits} bits")
        if implicit_vr:
            first = (first + 2**15) % 2**16 - 2**15 if can_be_negative else first % 2**16
        try:
            data = item.get("LUTData")
        except (ValueError, TypeError):  # cut, or of another VR
            data = None
        if isinstance(data, bytes):
            narrow = bits <= 8 and len(data) < 2 * count
            kind = np.dtype("u1" if narrow else "<u2" if little_endian else ">u2")
            entries = np.frombuffer(data, kind, count=min(count, len(data) // kind.itemsize))
        else:
            entries = np.atleast_1d(np.asarray([] if data is None else data))
            if entries.dtype.kind not in "iu":
                entries = np.zeros(0, np.int64)
            if bits <= 8 and len(entries) == (count + 1) // 2:  # two entries to a word
                entries = entries.astype("<u2").view("u1")
        if len(entries) < count:
            raise ValueError(f"{len(entries)} entries; its descriptor says {count}")
        return cls(entries[:count].astype(np.float64), first, float(2**bits - 1))

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Look up rounded values; those before the first and after the last entry take these."""
        index = np.rint(values).astype(np.int64) - self.first
        return self.entries[np.clip(index, 0, len(self.entries) - 1)]


@dataclass(frozen=True)
class Window:
    """A VOI window: its center, its width, above 0, and LINEAR, LINEAR_EXACT or SIGMOID."""

    center: float
    width: float
    function: str = "LINEAR"

    def __call__(self, values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
        """Map values to `low` (below the window) to `high` (above it) (DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
        center, width, span = self.center, self.width, high - low
        with np.errstate(over="ignore"):  # far from the window
            if self.function == "SIGMOID":
                return span / (1 + np.exp(-4 * (values - center) / width)) + low
            if self.function == "LINEAR":
                center, width = center - 0.5, width - 1
            if width == 0:
                return np.where(values > center, high, low)
            return np.clip(((values - center) / width + 0.5) * span + low, low, high)


@dataclass(frozen=True)
class Voi:
    """The first usable VOI LUT or, where there is none, window."""

    steps: list[str]  # what was left out
    warn: bool  # whether something was left out that cannot be read
    number: int = 0  # of the LUT in VOILUTSequence, or of the window among several, from 0
    lut: LookupTable | None = None
    window: Window | None = None


def find_voi(ds: Dataset, can_be_negative: bool) -> Voi:
    """Find the first usable VOI LUT or window, for values that can be negative or not."""
    steps: list[str] = []
    for number, item in enumerate(sequence_items(ds, "VOILUTSequence")):
        try:
            return Voi(steps, bool(steps), number, LookupTable.read(item, can_be_negative, *ds.original_encoding))
        except ValueError as error:
            steps.append(f"VOI LUT {number + 1} left out ({error})")
    pairs = list(zip(numbers(ds, "WindowCenter"), numbers(ds, "WindowWidth"), strict=False))
    if not pairs:
        return Voi(steps, bool(steps))
    function = text_of(ds, "VOILUTFunction") or "LINEAR"
    if function not in _FUNCTIONS or len(values_of(ds, "VOILUTFunction")) > 1:
        function = function if function in _FUNCTIONS else "LINEAR"
        steps.append(f"VOILUTFunction left out ({quoted_values(ds, 'VOILUTFunction')}), {function} taken")
    # PS3.3 C.11.2.1.2.1: a width of at least 1 for LINEAR, above 0 for the others
    least = 1.0 if function == "LINEAR" else np.nextafter(0, 1)
    usable = (k for k, (center, width) in enumerate(pairs) if center is not None and (width or 0) >= least)
    chosen = next(usable, None)
    if any(None in pair for pair in pairs[:chosen]):
        found = (f"{key} {quoted_values(ds, key)}" for key in ("WindowCenter", "WindowWidth"))
        steps.append(f"VOI window left out ({', '.join(found)})")
    if chosen is None:
        return Voi(steps or ["VOI window of no width ignored"], bool(steps))
    center, width = (float(number or 0) for number in pairs[chosen])
    return Voi(steps, bool(steps), chosen, window=Window(center, width, function))


class DisplaySteps:
    """Turn stored values into what a viewer shows, in the order of DICOM PS3.4 Annex N.

    pydicom.pixels fails 16 of the 113 cases of tests/data/readers/test_golden_dicom.py, among them 8-bit LUTs,
    negative slopes with windows, and LUTs of signed pixels, and raises on elements that are left out here.

    MONOCHROME1 (or a presentation LUT shape of INVERSE, which goes with it) is inverted last and exactly once, about
    the middle of the range that the earlier steps can give, so that 12-bit value 2085 becomes 4095 - 2085.

    A ValueError says why the modality LUT or rescale cannot be read.

    Args:
        ds: the data set.
        bits: of a pixel value.
        voi: ``"first"`` applies the first VOI LUT or window that can be used, ``"none"`` leaves it out.
    """

    def __init__(self, ds: Dataset, bits: PixelBits, voi: str = "first") -> None:
        self.steps: list[str] = []
        self.left_out = False
        self._bits = bits
        self._changes: list[Callable[[NDArray[np.float64]], NDArray[np.float64]]] = []
        self._range = bits.range
        self._padding = padding_range(ds)
        if self._padding is None and numbers(ds, "PixelPaddingValue"):
            self.leave_out(f"PixelPaddingValue left out ({quoted_values(ds, 'PixelPaddingValue')})")
        self._encoding = ds.original_encoding
        self._add_modality(ds)
        if voi == "first":
            self._add_voi(ds)
        self._add_presentation(ds)

    def __call__(self, cells: NDArray[Any]) -> NDArray[np.float32]:
        """Show cells ``(H, W)``, integers as decoded with all their bits, as float32, larger values brighter."""
        pixels = np.empty(cells.shape, dtype=np.float32)
        padding = np.zeros(cells.shape, dtype=np.bool_)
        low, high = (int(end) for end in self._bits.range)
        table = self._shown(np.arange(low, high + 1)) if self._changes and high - low < 2**16 else None
        for rows in strips(*cells.shape):
            stored = self._bits.values(cells[rows])
            pixels[rows] = self._shown(stored) if table is None else table[stored - low]
            if self._padding is not None:
                padding[rows] = is_padding(stored, cells[rows], self._padding)
        if padding.any() and not padding.all():
            pixels[padding] = pixels[~padding].min()
            self.steps.append("pixel padding set to the darkest")
        return pixels

    def _shown(self, stored: NDArray[np.int64]) -> NDArray[np.float32]:
        values = stored.astype(np.float64)
        for change in self._changes:
            values = change(values)
        return values.astype(np.float32)

    def _add_modality(self, ds: Dataset) -> None:
        low, high = self._range
        for item in sequence_items(ds, "ModalityLUTSequence")[:1]:
            try:
                lut = LookupTable.read(item, low < 0, *self._encoding)
            except ValueError as error:
                raise ValueError(f"ModalityLUTSequence cannot be used ({error}); have the LUT corrected") from error
            self._look_up(lut, "modality LUT applied")
            return
        if not numbers(ds, "RescaleSlope") or not numbers(ds, "RescaleIntercept"):
            return
        slope, intercept = (_rescale_number(ds, key) for key in ("RescaleSlope", "RescaleIntercept"))
        # A slope of 0 would leave nothing of the image.
        if slope == 0 or (slope, intercept) == (1.0, 0.0):
            return
        self._changes.append(lambda values: values * slope + intercept)
        self._range = min(low * slope, high * slope) + intercept, max(low * slope, high * slope) + intercept
        self.steps.append(f"rescaled by {slope:g} and {intercept:g}")

    def _add_voi(self, ds: Dataset) -> None:
        low, high = self._range
        voi = find_voi(ds, low < 0)
        self.steps += voi.steps
        self.left_out |= voi.warn
        if voi.lut is not None:
            self._look_up(voi.lut, _applied("VOI LUT", voi.number))
        elif (window := voi.window) is not None:
            self._changes.append(lambda values: window(values, low, high))
            self.steps.append(_applied("VOI window", voi.number))

    def _add_presentation(self, ds: Dataset) -> None:
        low, high = self._range
        items = sequence_items(ds, "PresentationLUTSequence")
        try:
            lut = LookupTable.read(items[0], False, *self._encoding) if items else None
        except ValueError as error:
            lut = None
            self.leave_out(f"presentation LUT left out ({error})")
        if lut is not None:
            # Its input is the whole range of the values, whatever part of it this image uses (PS3.3 C.11.6.1).
            last = len(lut.entries) - 1
            self._changes.append(lambda values: (values - low) / (high - low) * last)
            self._look_up(lut, "presentation LUT applied")
            return
        shape = text_of(ds, "PresentationLUTShape")
        if shape not in _SHAPES:
            self.leave_out(f"PresentationLUTShape left out ({quoted_values(ds, 'PresentationLUTShape')})")
        if text_of(ds, "PhotometricInterpretation") == "MONOCHROME1" or shape == "INVERSE":
            self._changes.append(lambda values: (low + high) - values)
            self.steps.append("inverted")

    def _look_up(self, lut: LookupTable, step: str) -> None:
        self._changes.append(lut)
        self._range = 0.0, lut.top
        self.steps.append(step)

    def leave_out(self, step: str) -> None:
        """Note what cannot be used, so that the image gets a warning."""
        self.steps.append(step)
        self.left_out = True


def padding_range(ds: Dataset) -> tuple[int, int] | None:
    """Return the lowest and highest padding value, None where the image names none."""
    first = next(iter(numbers(ds, "PixelPaddingValue")), None)
    if first is None:
        return None
    last = next(iter(numbers(ds, "PixelPaddingRangeLimit")), None)
    low, high = sorted((first, first if last is None else last))
    return int(low), int(high)


def is_padding(stored: NDArray[Any], cells: NDArray[Any], padding: tuple[int, int]) -> NDArray[np.bool_]:
    """Find pixels of no image (PS3.3 C.7.5.1.1.2), by their values or the cells that they stand in.

    Writers put padding outside the stored bits as well.
    """
    low, high = padding
    return np.asarray(((stored >= low) & (stored <= high)) | ((cells >= low) & (cells <= high)))


def _rescale_number(ds: Dataset, keyword: str) -> float:
    number = numbers(ds, keyword)[0]
    # A greater one leaves no 32-bit floats.
    if number is None or abs(number) > 1e30:
        raise ValueError(
            f"{keyword} is {quoted_values(ds, keyword)}; expected a number with a decimal point, so have the element "
            "corrected"
        )
    return number


def _applied(what: str, number: int) -> str:
    return f"{what} {number + 1} applied" if number else f"first {what} applied"
