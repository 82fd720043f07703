"""DICOM lookup tables and stored bits, where pydicom's helpers give silently wrong values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset


def look_up(
    values: NDArray[Any], item: Dataset, can_be_negative: bool, implicit_vr: bool, little_endian: bool
) -> tuple[NDArray[np.float64], float]:
    """Send values through the LUT of a sequence item (DICOM PS3.3 C.11.1.1 and C.11.2.1.1).

    pydicom 3.0's helpers index in the type of the values, which wraps for 8-bit LUTs of more than 256 entries, for
    signed pixels and for rescaled ones; and they take the sign of an ambiguous first value from the stored pixels,
    where it follows from what goes into the LUT.

    Args:
        values: any numbers; they are rounded.
        item: with LUTDescriptor and LUTData.
        can_be_negative: whether what goes in can be, which tells the sign of the descriptor's first value in implicit
            VR, where it is not written down.
        implicit_vr: the data set is in implicit VR.
        little_endian: the data set is little endian.

    Returns:
        The entries, in the shape of `values`; values before the first and after the last entry take these. And the
        largest value that an entry of this LUT could have.

    Raises:
        ValueError: the LUT has fewer entries than its descriptor says.
    """
    count, first, bits = (int(each) for each in item.LUTDescriptor)
    count = count & 0xFFFF or 2**16  # 0 stands for 65536
    if implicit_vr:
        first = (first + 2**15) % 2**16 - 2**15 if can_be_negative else first % 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        narrow = bits <= 8 and len(data) < 2 * count
        kind = np.dtype("u1" if narrow else "<u2" if little_endian else ">u2")
        entries = np.frombuffer(data, kind, count=min(count, len(data) // kind.itemsize))
    else:
        entries = np.atleast_1d(np.asarray(data))
        if bits <= 8 and len(entries) == (count + 1) // 2:  # two entries to a word
            entries = entries.astype("<u2").view("u1")
    if len(entries) < count:
        raise ValueError(f"a LUT of {len(entries)} entries; its descriptor says {count}")
    index = np.rint(values).astype(np.int64) - first
    return entries[np.clip(index, 0, count - 1)].astype(np.float64), float(2**bits - 1)


def stored_bits(cells: NDArray[Any], bits_stored: int, high_bit: int, signed: bool) -> NDArray[np.int64]:
    """The pixel values in cells that may hold other bits as well, such as an old overlay (DICOM PS3.5 8.1.1).

    Args:
        cells: as decoded, of BitsAllocated.
        bits_stored: of BitsStored.
        high_bit: of HighBit.
        signed: PixelRepresentation is 1.

    Returns:
        The values, sign extended.

    Example:
        >>> stored_bits(np.array([0xF001, 0x0FFF], np.uint16), 12, 11, True).tolist()
        [1, -1]
    """
    values = (cells.astype(np.int64) >> (high_bit - bits_stored + 1)) & (2**bits_stored - 1)
    half = 2 ** (bits_stored - 1)
    return (values ^ half) - half if signed else values
