"""Which bits of a cell are the pixel: what the header says, held against what stands in the cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.readers.film_strips import strips


@dataclass(frozen=True)
class PixelBits:
    """Where in a cell the pixel value stands (DICOM PS3.5 8.1.1).

    Args:
        stored: how many bits it has.
        high: its highest bit, counted from 0.
        signed: whether it is in two's complement.
    """

    stored: int
    high: int
    signed: bool

    @property
    def low_bit(self) -> int:
        """The lowest bit of the value, counted from 0."""
        return self.high - self.stored + 1

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest value."""
        if self.signed:
            return float(-(2 ** (self.stored - 1))), float(2 ** (self.stored - 1) - 1)
        return 0.0, float(2**self.stored - 1)

    def values(self, cells: NDArray[Any]) -> NDArray[np.int64]:
        """The values in cells that may hold other bits as well, such as an old overlay.

        Args:
            cells: integers as decoded.

        Returns:
            The values, sign extended.

        Example:
            >>> PixelBits(12, 11, True).values(np.array([0xF001, 0x0FFF], np.uint16)).tolist()
            [1, -1]
        """
        values = (cells.astype(np.int64) >> self.low_bit) & (2**self.stored - 1)
        half = 2 ** (self.stored - 1)
        return (values ^ half) - half if self.signed else values


def hidden_bits(
    cells: NDArray[Any], header: PixelBits, depth: int, no_image: NDArray[np.bool_] | None, sign_is_sure: bool
) -> tuple[bool, bool]:
    """Whether cells hold more than the pixel value that the header describes, and whether it belongs to the image.

    There are two reasons for bits that the header leaves out. They belong to the value, and the header is wrong: then
    the header's values jump from white to black wherever the image passes their end, and the whole cells do not. Or
    they are something else, such as an old overlay: then the whole cells jump at its edges. So the reading in which
    neighboring pixels of a row differ less is the right one.

    Args:
        cells: ``(H, W)``, integers as decoded, with all their bits.
        header: the bits that the header names.
        depth: how many bits the cells have, or the compressed stream.
        no_image: ``(H, W)``, where padding is; it does not count.
        sign_is_sure: the compressed stream says whether its values are signed. Otherwise the bits above a negative
            value may be 0.

    Returns:
        Whether there are such bits, and whether the whole cells are the image.
    """
    low, top = header.range
    if header.low_bit == 0 and low <= cells.min() and cells.max() <= top:
        return False, False
    found, by_header, by_cell = False, 0, 0
    for rows in strips(*cells.shape):
        values, whole = header.values(cells[rows]) << header.low_bit, cells[rows].astype(np.int64)
        hidden = values != whole
        if not sign_is_sure and header.stored <= depth:
            hidden &= (values & (2 ** (header.high + 1) - 1)) != whole
        image = np.ones(whole.shape, np.bool_) if no_image is None else ~no_image[rows]
        found = found or bool(hidden[image].any())
        pairs = image[:, 1:] & image[:, :-1]
        by_header += int(np.abs(np.diff(values))[pairs].sum())
        by_cell += int(np.abs(np.diff(whole))[pairs].sum())
    return found, found and by_cell < by_header
