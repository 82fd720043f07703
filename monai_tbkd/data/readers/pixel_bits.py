"""Find which bits of a cell are the pixel, where the header and the cells disagree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_tbkd.data.readers.decoded_image import strips


@dataclass(frozen=True)
class PixelBits:
    """Where in a cell the pixel value stands (DICOM PS3.5 8.1.1)."""

    stored: int  # how many bits it has
    high: int  # its highest bit, counted from 0
    signed: bool  # in two's complement
    clipped: int = 0  # bits of a cell whose whole value is clipped to the stored ones; 0: other bits are left out

    @property
    def low_bit(self) -> int:
        """The value's lowest bit, counted from 0."""
        return self.high - self.stored + 1

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest value."""
        low = -(2 ** (self.stored - 1)) if self.signed else 0
        return float(low), float(low + 2**self.stored - 1)

    def values(self, cells: NDArray[Any]) -> NDArray[np.int64]:
        """Extract the values, sign extended, from cells that may hold other bits as well, such as an old overlay.

        Example:
            >>> PixelBits(12, 11, True).values(np.array([0xF001, 0x0FFF], np.uint16)).tolist()
            [1, -1]
            >>> PixelBits(12, 11, False, clipped=16).values(np.array([0x1000, 0x0FFF], np.uint16)).tolist()
            [4095, 4095]
        """
        if self.clipped:
            whole = PixelBits(self.clipped, self.clipped - 1, self.signed)
            low, high = (int(end) for end in self.range)
            return whole.values(cells).clip(low, high)
        values = (cells.astype(np.int64) >> self.low_bit) & (2**self.stored - 1)
        half = 2 ** (self.stored - 1)
        return (values ^ half) - half if self.signed else values


def true_bits(
    cells: NDArray[Any], header: PixelBits, depth: int, signed: bool | None, no_image: NDArray[np.bool_] | None
) -> tuple[PixelBits, bool]:
    """Find out which bits of the cells are the image, where the header leaves some out or has another sign.

    Bits that the header leaves out may belong to the value, and the header is wrong: then its values jump from white to
    black wherever the image passes their end, and the whole cells do not. Or they are something else, such as an old
    overlay: then the whole cells jump at its edges. It is the same with the sign. So the reading in which neighboring
    pixels differ least, compared with the spread of all, is taken, and the header's where there is no clear difference.
    A marker or a saturated area takes less than half of the image, is constant, and has one value or is far from the
    pixels around it in both readings; it is clipped to the greatest value.

    Args:
        cells: ``(H, W)``, integers as decoded, with all their bits.
        header: the bits that the header names.
        depth: how many bits the cells have, or the compressed stream.
        signed: whether the compressed stream says that its values are signed; None where it does not say.
        no_image: ``(H, W)``, where padding is; it does not count.

    Returns:
        The bits of the image, and whether the header contradicts the cells.
    """
    same_sign = signed in (None, header.signed)
    low = header.range[0] if same_sign else 0
    high = 2 ** (min(header.stored, depth) - bool(header.signed or signed)) - 1
    if header.low_bit == 0 and low <= cells.min() and cells.max() <= high:
        return header, False
    whole = PixelBits(depth, depth - 1, header.signed if signed is None else signed)
    readings = [header, whole]
    if signed is None:
        readings.append(PixelBits(depth, depth - 1, not header.signed))
    contradiction, spreads, outside = False, [_Spread() for _ in readings], _Outside(2**header.stored / 64)
    for rows in strips(*cells.shape):
        image = np.ones(cells[rows].shape, np.bool_) if no_image is None else ~no_image[rows]
        values = [reading.values(cells[rows]) for reading in readings]
        hidden = values[0] << header.low_bit != values[1]
        if signed is None and header.stored <= depth:  # above a negative value, bits may also be 0
            hidden &= (values[0] << header.low_bit) & (2 ** (header.high + 1) - 1) != values[1]
        contradiction = contradiction or bool(hidden[image].any())
        for spread, each in zip(spreads, values, strict=True):
            spread.add(each, image)
        outside.add(hidden, image, values)
    if not contradiction:
        return header, False
    if header.low_bit == 0 and outside.constant and 2 * outside.pixels < spreads[0].pixels:
        if outside.lowest == outside.highest or (outside.far(0) and outside.far(1)):
            return replace(header, clipped=depth), True
        del spreads[2:]  # a few bright pixels must not become negative
    best = int(np.argmin([spread.roughness for spread in spreads]))
    return readings[best if spreads[best].roughness < 0.9 * spreads[0].roughness else 0], True


class _Outside:
    """Pixels with bits that the header leaves out; neighbors that differ by more than `limit` are far apart."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.pixels = self.pairs = self.alike = self.edges = 0
        self.lowest, self.highest = np.inf, -np.inf
        self.far_edges: dict[int, int] = {}

    def add(self, hidden: NDArray[np.bool_], image: NDArray[np.bool_], readings: list[NDArray[np.int64]]) -> None:
        """Count neighbors, beside and below each other, in some rows, where there is an image."""
        found = readings[1][hidden & image]
        self.pixels += found.size
        self.lowest = min(self.lowest, float(found.min(initial=2**32)))
        self.highest = max(self.highest, float(found.max(initial=-(2**32))))
        for here, there in (np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1]):
            both = image[here] & image[there]
            pairs, edges = both & hidden[here] & hidden[there], both & (hidden[here] != hidden[there])
            self.pairs += int(pairs.sum())
            self.edges += int(edges.sum())
            self.alike += int((readings[1][here][pairs] == readings[1][there][pairs]).sum())
            for number, values in enumerate(readings):
                far = np.abs(values[here][edges] - values[there][edges]) > self.limit
                self.far_edges[number] = self.far_edges.get(number, 0) + int(far.sum())

    @property
    def constant(self) -> bool:
        """Whether most of them are equal to the next."""
        return 2 * self.alike >= self.pairs

    def far(self, reading: int) -> bool:
        """Whether a reading has them far from most pixels around them."""
        return 2 * self.far_edges.get(reading, 0) > self.edges


@dataclass
class _Spread:
    """How far neighbors in a row differ, and how far all pixels."""

    neighbors: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    pixels: int = 0

    def add(self, values: NDArray[np.int64], image: NDArray[np.bool_]) -> None:
        """Count some rows, where there is an image."""
        inside = values[image].astype(np.float64)
        self.neighbors += float(np.square(np.diff(values)[image[:, 1:] & image[:, :-1]].astype(np.float64)).sum())
        self.total += float(inside.sum())
        self.squares += float(np.square(inside).sum())
        self.pixels += inside.size

    @property
    def roughness(self) -> float:
        """Mean squared difference of neighbors over the variance, infinite for a plain image."""
        variance = self.squares - self.total**2 / max(self.pixels, 1)
        return self.neighbors / variance if variance > 0 else np.inf
