"""DICOM lookup tables, where pydicom's helpers give silently wrong values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from monai_tbkd.data.readers.dicom_elements import numbers


@dataclass(frozen=True)
class LookupTable:
    """The LUT of a sequence item (DICOM PS3.3 C.11.1.1 and C.11.2.1.1).

    pydicom 3.0's helpers index in the type of the values, which wraps for 8-bit LUTs of more than 256 entries, for
    signed pixels and for rescaled ones; and they take the sign of an ambiguous first value from the stored pixels,
    where it follows from what goes into the LUT.

    Args:
        entries: ``(n,)``.
        first: the value that is mapped to the first entry.
        top: the largest value that an entry could have.
    """

    entries: NDArray[np.float64]
    first: int
    top: float

    @classmethod
    def read(cls, item: Dataset, can_be_negative: bool, implicit_vr: bool, little_endian: bool) -> LookupTable:
        """Read the table.

        Args:
            item: with LUTDescriptor and LUTData.
            can_be_negative: whether what goes in can be, which tells the sign of the descriptor's first value in
                implicit VR, where it is not written down.
            implicit_vr: the data set is in implicit VR.
            little_endian: the data set is little endian.

        Raises:
            ValueError: it cannot be used; one phrase says why.
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
        """Look values up.

        Args:
            values: any numbers; they are rounded.

        Returns:
            The entries, in the shape of `values`; values before the first and after the last entry take these.
        """
        index = np.rint(values).astype(np.int64) - self.first
        return self.entries[np.clip(index, 0, len(self.entries) - 1)]
