"""How an image was turned upright, and the way back for boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ImageTurn:
    """One of the eight ways to turn an image: transpose first, then flip.

    Boxes are ``[xmin, ymin, xmax, ymax]``, x = column, half-open; further numbers of a box, such as a score, stay.

    Args:
        transpose: rows and columns change places.
        flip_rows: the (new) rows run from bottom to top.
        flip_columns: the (new) columns run from right to left.

    Example:
        >>> ImageTurn(flip_columns=True).upright(np.array([[1, 2, 3]])).tolist()
        [[3, 2, 1]]
        >>> ImageTurn(flip_rows=True).boxes_as_stored([[0, 0, 2, 3]], (10, 20))
        [[0, 7, 2, 10]]
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def __bool__(self) -> bool:
        return self.transpose or self.flip_rows or self.flip_columns

    def __str__(self) -> str:
        """Letters of what is done, in order: T, R, C; empty for nothing."""
        return "T" * self.transpose + "R" * self.flip_rows + "C" * self.flip_columns

    @classmethod
    def from_text(cls, text: str) -> ImageTurn:
        """Read what `str` wrote; a ValueError for letters other than T, R and C."""
        if set(text) - set("TRC"):
            raise ValueError(f"The turn is {text!r}; expected letters of T, R and C.")
        return cls("T" in text, "R" in text, "C" in text)

    def _flipped(self, pixels: NDArray[Any]) -> NDArray[Any]:
        return pixels[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]

    def upright(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Turn stored pixels ``(H, W)`` upright."""
        return np.ascontiguousarray(self._flipped(stored.T if self.transpose else stored))

    def as_stored(self, upright: NDArray[Any]) -> NDArray[Any]:
        """Undo `upright`."""
        pixels = self._flipped(upright)
        return np.ascontiguousarray(pixels.T if self.transpose else pixels)

    def boxes_as_stored(self, boxes: Sequence[Sequence[float]], upright_size: Sequence[int]) -> list[list[float]]:
        """Move boxes from the upright image, of size (height, width), to the stored pixels."""
        return [self._transposed(self._flipped_box(box, upright_size)) for box in boxes]

    def boxes_upright(self, boxes: Sequence[Sequence[float]], upright_size: Sequence[int]) -> list[list[float]]:
        """Undo `boxes_as_stored`."""
        return [self._flipped_box(self._transposed(box), upright_size) for box in boxes]

    def _transposed(self, box: Sequence[float]) -> list[float]:
        xmin, ymin, xmax, ymax, *rest = box
        return [ymin, xmin, ymax, xmax, *rest] if self.transpose else [*box]

    def _flipped_box(self, box: Sequence[float], upright_size: Sequence[int]) -> list[float]:
        xmin, ymin, xmax, ymax, *rest = box
        height, width = (int(length) for length in upright_size)
        if self.flip_columns:
            xmin, xmax = width - xmax, width - xmin
        if self.flip_rows:
            ymin, ymax = height - ymax, height - ymin
        return [xmin, ymin, xmax, ymax, *rest]
